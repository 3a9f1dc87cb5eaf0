//! Consumers: who is found by which credential, and what plugins of a route ask for one: `key-auth` and `basic-auth`.
//!
//! All consumers are looked among, whosever they are; of two with the same credential the one that was written last is
//! found. Of a header that is hidden the node gets nothing; a query is passed on as it is. `multi-auth` is not run.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use serde_json::Value;

use super::answers::Answer;
use super::plugins::{Layers, Plugin, Plugins};
use crate::apisix::encryption::from_base64;
use crate::apisix::kind::Kind;
use crate::apisix::references::id_text;

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// All consumers in force, those that were written last at the end.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    entries: Vec<Entry>,
    groups: HashMap<String, Arc<Plugins>>,
}

/// A consumer, or a credential of one.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    id: String,
    consumer: Arc<Consumer>,
}

/// Who calls.
#[derive(Debug, Default)]
pub(crate) struct Consumer {
    pub(crate) name: String,
    pub(crate) group: Option<String>,
    /// what backends are told besides the name
    pub(crate) custom_id: Option<String>,
    plugins: Plugins,
    key: Option<String>,
    user: Option<(String, String)>,
}

impl Consumer {
    fn new(name: &str, value: &Value) -> Self {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            name: name.to_owned(),
            group: value.get("group_id").and_then(id_text),
            custom_id: text("/labels/custom_id"),
            plugins: Plugins::new(value),
            key: text("/plugins/key-auth/key"),
            user: text("/plugins/basic-auth/username").zip(text("/plugins/basic-auth/password")),
        }
    }

    /// The variable of that name, of a request of this consumer.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "consumer_name" => Some(self.name.clone()),
            "consumer_group_id" => self.group.clone(),
            _ => None,
        }
    }
}

impl Consumers {
    pub(super) fn refresh(&mut self, kind: Kind, id: &str, value: Option<&Value>) {
        self.entries
            .retain(|entry| (entry.kind, entry.id.as_str()) != (kind, id));
        // Credentials are `NAME/credentials/ID`.
        let name = id.split('/').next().unwrap_or(id);
        self.entries.extend(value.map(|value| Entry {
            kind,
            id: id.to_owned(),
            consumer: Arc::new(Consumer::new(name, value)),
        }));
    }

    pub(super) fn refresh_group(&mut self, id: &str, value: Option<&Value>) {
        match value {
            Some(value) => drop(self.groups.insert(id.to_owned(), Arc::new(Plugins::new(value)))),
            None => drop(self.groups.remove(id)),
        }
    }

    fn named(&self, name: &str) -> Option<&Arc<Consumer>> {
        let mut consumers = self.entries.iter().filter(|entry| entry.kind == Kind::Consumer);
        consumers.find(|entry| entry.id == name).map(|entry| &entry.consumer)
    }

    fn found(&self, has: impl Fn(&Consumer) -> bool) -> Option<&Arc<Consumer>> {
        let entry = self.entries.iter().rev().find(|entry| has(&entry.consumer))?;
        self.named(&entry.consumer.name)
    }

    /// The consumer's plugins go before those of its group, and these before the route's.
    pub(super) fn over<'a>(&'a self, caller: &'a Caller, layers: &Layers<'a>) -> Result<Layers<'a>, Answer> {
        let Some(consumer) = &caller.consumer else {
            return Ok(layers.clone());
        };
        let group = consumer.group.as_ref();
        let group = group.map(|id| self.groups.get(id).ok_or_else(|| Answer::plain(503)));
        let group = group.transpose()?.map(Arc::as_ref);
        Ok([Some(&consumer.plugins), group]
            .into_iter()
            .flatten()
            .chain(layers.iter().copied())
            .collect())
    }

    /// Asks who calls, as each plugin of the route wants it.
    pub(super) fn authenticate(
        &self,
        layers: &Layers<'_>,
        caller: &mut Caller,
        variable: Variable<'_>,
    ) -> Result<(), Answer> {
        let basic = layers.first(|plugins| plugins.basic_auth.as_ref());
        let key = layers.first(|plugins| plugins.key_auth.as_ref());
        for plugin in [basic, key].into_iter().flatten() {
            if let Some(plugin) = plugin.running(variable) {
                self.ask(plugin, caller, variable)?;
            }
        }
        Ok(())
    }

    fn ask(&self, plugin: &Authentication, caller: &mut Caller, variable: Variable<'_>) -> Result<(), Answer> {
        let found = plugin.scheme.find(self, variable);
        let anonymous = || plugin.anonymous.as_ref().and_then(|name| self.named(name));
        let consumer = match found {
            Ok(consumer) => consumer,
            Err(message) => anonymous().ok_or_else(|| Answer::with_message(401, message))?,
        };
        caller.consumer = Some(Arc::clone(consumer));
        caller.hidden.extend(plugin.hidden.clone());
        Ok(())
    }
}

/// Who calls, and what of the request no node is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) consumer: Option<Arc<Consumer>>,
    /// names of headers
    pub(crate) hidden: Vec<String>,
}

impl Caller {
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.consumer.as_ref()?.variable(name)
    }
}

/// An authentication plugin.
#[derive(Debug)]
pub(super) struct Authentication {
    scheme: Scheme,
    anonymous: Option<String>,
    hidden: Option<String>,
}

#[derive(Debug)]
enum Scheme {
    Key { header: String, query: String },
    Basic,
}

impl Authentication {
    pub(super) fn key(configuration: &Value) -> Self {
        let text = |field: &str| configuration[field].as_str().unwrap_or("apikey").to_lowercase();
        let header = text("header");
        Self::new(
            configuration,
            header.clone(),
            Scheme::Key {
                header,
                query: text("query"),
            },
        )
    }

    pub(super) fn basic(configuration: &Value) -> Self {
        Self::new(configuration, AUTHORIZATION.to_string(), Scheme::Basic)
    }

    fn new(configuration: &Value, header: String, scheme: Scheme) -> Self {
        let anonymous = configuration["anonymous_consumer"].as_str();
        Self {
            scheme,
            anonymous: anonymous.map(str::to_owned),
            hidden: (configuration["hide_credentials"] == true).then_some(header),
        }
    }
}

impl Scheme {
    fn find<'a>(&self, consumers: &'a Consumers, variable: Variable<'_>) -> Result<&'a Arc<Consumer>, &'static str> {
        match self {
            Scheme::Key { header, query } => {
                let header = variable(&format!("http_{}", header.replace('-', "_")));
                let key = header.or_else(|| variable(&format!("arg_{query}")));
                let key = key.ok_or("Missing API key in request")?;
                let found = consumers.found(|consumer| consumer.key.as_ref() == Some(&key));
                found.ok_or("Invalid API key in request")
            }
            Scheme::Basic => {
                let header = variable("http_authorization").ok_or("Missing authorization in request")?;
                let (user, password) = user_of(&header).ok_or("Invalid authorization in request")?;
                let is_of = |consumer: &Consumer| consumer.user.as_ref().is_some_and(|(name, _)| *name == user);
                // The one that is found by its name must have the password.
                let entry = consumers.entries.iter().rev().find(|entry| is_of(&entry.consumer));
                let right = entry.filter(|entry| entry.consumer.user == Some((user, password)));
                let found = right.and_then(|entry| consumers.named(&entry.consumer.name));
                found.ok_or("Invalid user authorization")
            }
        }
    }
}

fn user_of(header: &str) -> Option<(String, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    let text = String::from_utf8(from_base64(rest.trim())?).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme
        .eq_ignore_ascii_case("basic")
        .then(|| (user.to_owned(), password.to_owned()))
}

/// Plugins that authenticate, of one object.
pub(super) fn plugins_of(plugins: &Value) -> [Option<Plugin<Authentication>>; 2] {
    [
        Plugin::named(plugins, "key-auth", Authentication::key),
        Plugin::named(plugins, "basic-auth", Authentication::basic),
    ]
}
