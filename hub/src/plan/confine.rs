//! Keeps consumers to the routes of their own cluster.
//!
//! APISIX knows the consumers of all clusters and takes any of them where a route authenticates. So each route that does
//! has a `consumer-restriction` of its own, which names the group that all consumers of its cluster are in: a consumer
//! that comes, goes or changes is one write, whatever the number of routes. It stands on the route itself, where it goes
//! before those of a plugin config; consumers may have none (`cluster::check`), since theirs would go before it.
//!
//! A plugin can be on a route but once. Where users restrict consumers themselves, both restrictions become one: a list
//! of those who may is enough, since all of them are of this cluster; a list of those who may not, or not everything,
//! becomes the condition (`_meta.filter`) under which a restriction runs that lets nobody pass. APISIX evaluates it when
//! the restriction's turn comes, after authentication; and a condition that it does not understand counts as met.

use std::collections::BTreeSet;

use hubline::model::ClusterId;
use serde_json::{Map, Value, json};

use super::names::{ByName, KnownName, Named, known};
use super::scope::fields;
use super::{PlanOptions, id::Class};
use crate::cluster::check::RESTRICTION;
use crate::credential::{DECRYPT, MULTI, looks_for_consumers};

/// Whether requests get there only with a consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Authentication {
    /// No plugin looks for one.
    #[default]
    Never,
    /// Some requests pass without one.
    Sometimes,
    /// Every request has one.
    Always,
}

/// Of which cluster consumers are looked for, and what was looked for there.
pub(super) struct Callers<'a> {
    options: &'a PlanOptions,
    cluster: &'a ClusterId,
    names: &'a ByName,
    /// Names that were asked for.
    pub(super) wants: BTreeSet<KnownName>,
    /// Names that are nobody's, or several consumers', each with a sentence.
    pub(super) unresolved: BTreeSet<String>,
}

impl<'a> Callers<'a> {
    pub(super) fn new(options: &'a PlanOptions, cluster: &'a ClusterId, names: &'a ByName) -> Self {
        Self {
            options,
            cluster,
            names,
            wants: BTreeSet::new(),
            unresolved: BTreeSet::new(),
        }
    }

    /// The usernames at APISIX of those who may: of a name that could mean several consumers none.
    fn admitted(&mut self, written: &str) -> Vec<String> {
        let name = known(written);
        let found = self.names.named(self.cluster, &name);
        let ids = match found {
            Named::One(keys) => keys.into_iter().map(|key| self.username(key)).collect(),
            Named::Nobody => {
                self.miss(format!("no consumer is called {written:?}"));
                Vec::new()
            }
            Named::Several(_) => {
                self.miss(format!("{written:?} could be several consumers, so it lets none in"));
                Vec::new()
            }
        };
        self.wants.insert(name);
        ids
    }

    /// The usernames at APISIX of those who may not: all who could be meant.
    fn excluded(&mut self, written: &str) -> Vec<String> {
        let name = known(written);
        let found: Vec<_> = self.names.get(self.cluster, &name).collect();
        let ids: Vec<_> = found.into_iter().map(|key| self.username(key)).collect();
        if ids.is_empty() {
            self.miss(format!("no consumer is called {written:?}"));
        }
        self.wants.insert(name);
        ids
    }

    fn miss(&mut self, message: String) {
        self.unresolved.insert(message);
    }

    fn username(&self, key: &hubline::model::GlobalKey) -> String {
        let id = self.options.prefix.id(self.cluster, Class::Consumer, &key.key, "");
        id.to_string()
    }

    fn group(&self) -> String {
        self.options.prefix.consumer_group(self.cluster).to_string()
    }

    fn nobody(&self) -> String {
        self.options.prefix.nobody(self.cluster)
    }

    /// Puts the usernames at APISIX in the place of the names of consumers for requests without credentials. Where it is
    /// nobody's name there is none: such requests are answered 401, as APISIX does.
    pub(super) fn rename_anonymous(&mut self, plugins: &mut Map<String, Value>) {
        for config in plugins.values_mut() {
            self.rename_in(config);
            let several = config.get_mut("auth_plugins").and_then(Value::as_array_mut);
            let nested = several.into_iter().flatten().filter_map(Value::as_object_mut);
            for config in nested.flat_map(|plugins| plugins.values_mut()) {
                self.rename_in(config);
            }
        }
    }

    fn rename_in(&mut self, config: &mut Value) {
        let Some(config) = config.as_object_mut() else { return };
        let Some(anonymous) = config.remove("anonymous_consumer") else {
            return;
        };
        let ids = match anonymous.as_str() {
            Some(name) => self.admitted(name),
            None => Vec::new(),
        };
        if let Some(id) = ids.into_iter().next() {
            config.insert("anonymous_consumer".to_owned(), Value::String(id));
        }
    }

    /// The restriction that a route must have with these plugins; none where nobody looks for consumers. `everybody` is
    /// what global rules do.
    ///
    /// # Errors
    /// Why consumers of other clusters could not be kept off, so that the route must be closed.
    pub(super) fn restriction(
        &mut self,
        plugins: &Map<String, Value>,
        everybody: Authentication,
    ) -> Result<Option<Value>, String> {
        let found = authentication(plugins)?.max(everybody);
        let own = plugins.get(RESTRICTION).filter(|config| !is_disabled(config));
        match (own, found) {
            (Some(own), _) => self.combined(own).map(Some),
            (None, Authentication::Always) => Ok(Some(self.by_group())),
            (None, Authentication::Sometimes) => Ok(Some(self.where_present())),
            (None, Authentication::Never) => Ok(None),
        }
    }

    /// The same for plugins that several routes share. What cannot be confined closes those routes, which say so.
    pub(super) fn shared_restriction(&mut self, plugins: &Map<String, Value>) -> Option<Value> {
        let found = self.restriction(plugins, Authentication::Never);
        found.unwrap_or_else(|_| Some(self.by_group()))
    }

    fn by_group(&self) -> Value {
        json!({"type": "consumer_group_id", "whitelist": [self.group()]})
    }

    /// For consumers alone: who comes without one passes.
    fn where_present(&self) -> Value {
        let filter = json!([["consumer_name", "~~", "."], self.foreign()]);
        json!({"type": "consumer_name", "whitelist": [self.nobody()], "_meta": {"filter": filter}})
    }

    /// The condition that a consumer is of another cluster; also met where there is none.
    fn foreign(&self) -> Value {
        json!(["consumer_group_id", "~=", self.group()])
    }

    /// Ours and the users' own in one.
    fn combined(&mut self, own: &Value) -> Result<Value, String> {
        let own = Own::read(own)?;
        if !own.whitelist.is_empty() {
            return Ok(self.of_whitelist(own));
        }
        let blacklist: Vec<_> = own.blacklist.iter().flat_map(|name| self.excluded(name)).collect();
        let mut conditions = vec![self.foreign()];
        if !blacklist.is_empty() {
            conditions.push(json!(["consumer_name", "in", blacklist]));
        }
        for (user, methods) in &own.methods {
            for id in self.excluded(user) {
                let named = json!(["consumer_name", "==", id]);
                let method = json!(["request_method", "!", "in", methods]);
                conditions.push(json!(["AND", named, method]));
            }
        }
        let mut kept = own.kept;
        if conditions.len() == 1 {
            kept.extend(fields(self.by_group()));
            return Ok(Value::Object(kept));
        }
        conditions.insert(0, json!("OR"));
        let mut meta = kept.remove("_meta").map(fields).unwrap_or_default();
        meta.insert("filter".to_owned(), Value::Array(conditions));
        kept.extend(fields(
            json!({"type": "consumer_name", "whitelist": [self.nobody()], "_meta": meta}),
        ));
        Ok(Value::Object(kept))
    }

    /// Who is on the list may use every method (`consumer-restriction.lua`), so the methods say nothing more.
    fn of_whitelist(&mut self, own: Own) -> Value {
        let mut whitelist: Vec<_> = own.whitelist.iter().flat_map(|name| self.admitted(name)).collect();
        let blacklist: Vec<_> = own.blacklist.iter().flat_map(|name| self.excluded(name)).collect();
        if whitelist.is_empty() {
            whitelist.push(self.nobody());
        }
        let mut restriction = own.kept;
        restriction.extend(fields(json!({"type": "consumer_name", "whitelist": whitelist})));
        if !blacklist.is_empty() {
            restriction.insert("blacklist".to_owned(), json!(blacklist));
        }
        Value::Object(restriction)
    }
}

/// A restriction as users write it.
struct Own {
    whitelist: Vec<String>,
    blacklist: Vec<String>,
    /// Users with what they may do; of one that is named twice only the first counts.
    methods: Vec<(String, Vec<String>)>,
    /// What says nothing of who may.
    kept: Map<String, Value>,
}

impl Own {
    /// What is not understood could let in whom it should keep out.
    fn read(config: &Value) -> Result<Self, String> {
        let mut own = Self {
            whitelist: Vec::new(),
            blacklist: Vec::new(),
            methods: Vec::new(),
            kept: Map::new(),
        };
        let config = config
            .as_object()
            .ok_or_else(|| wrong("the configuration", "an object"))?;
        for (field, value) in config {
            match field.as_str() {
                "type" if value == "consumer_name" => {}
                "type" => {
                    return Err(format!(
                        "{RESTRICTION}.type is {value}: only consumer_name is allowed, since ids of groups, services and \
                         routes are the hub's"
                    ));
                }
                "whitelist" => own.whitelist = texts("whitelist", value)?,
                "blacklist" => own.blacklist = texts("blacklist", value)?,
                "allowed_by_methods" => own.methods = methods(value)?,
                "rejected_code" | "rejected_msg" => drop(own.kept.insert(field.clone(), value.clone())),
                "_meta" => drop(own.kept.insert(field.clone(), meta(value)?)),
                _ => return Err(format!("{RESTRICTION}.{field} is not known")),
            }
        }
        if own.whitelist.is_empty() && own.blacklist.is_empty() && own.methods.is_empty() {
            return Err(wrong(
                "the configuration",
                "one with whitelist, blacklist or allowed_by_methods",
            ));
        }
        Ok(own)
    }
}

fn wrong(field: &str, wanted: &str) -> String {
    format!("{RESTRICTION}: {field} is not {wanted}")
}

fn texts(field: &str, value: &Value) -> Result<Vec<String>, String> {
    let wanted = || wrong(field, "a list of texts with at least one");
    let texts = value.as_array().filter(|texts| !texts.is_empty()).ok_or_else(wanted)?;
    let texts = texts.iter().map(|text| text.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(wanted)
}

fn methods(value: &Value) -> Result<Vec<(String, Vec<String>)>, String> {
    let wanted = || wrong("allowed_by_methods", "a list of objects with user and methods");
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for entry in value.as_array().ok_or_else(wanted)? {
        let user = entry.get("user").and_then(Value::as_str).ok_or_else(wanted)?;
        let methods = texts("methods", entry.get("methods").unwrap_or(&Value::Null))?;
        if found.iter().all(|(known, _)| known != user) {
            found.push((user.to_owned(), methods));
        }
    }
    Ok(found)
}

fn meta(value: &Value) -> Result<Value, String> {
    let meta = value.as_object().ok_or_else(|| wrong("_meta", "an object"))?;
    let allowed = ["disable", "error_response", "priority"];
    match meta.keys().find(|field| !allowed.contains(&field.as_str())) {
        Some(field) => Err(format!(
            "{RESTRICTION}._meta.{field} cannot be combined with what keeps consumers of other clusters off; allowed: {}",
            allowed.join(", ")
        )),
        None => Ok(value.clone()),
    }
}

fn is_disabled(config: &Value) -> bool {
    config.pointer("/_meta/disable") == Some(&Value::Bool(true))
}

/// Whether requests that get past these plugins have a consumer.
///
/// # Errors
/// Which plugin uses consumers in a way that cannot be kept to a cluster.
pub(super) fn authentication(plugins: &Map<String, Value>) -> Result<Authentication, String> {
    let mut found = Authentication::Never;
    for (name, config) in plugins {
        if looks_for_consumers(name) && !is_disabled(config) {
            found = found.max(of_plugin(name, config)?);
        }
    }
    Ok(found)
}

fn of_plugin(name: &str, config: &Value) -> Result<Authentication, String> {
    if name == DECRYPT {
        return Err(format!(
            "{DECRYPT} takes the keys of all clusters' consumers and does not say whose it took"
        ));
    }
    let optional = config.get("consumer_required") == Some(&Value::Bool(false));
    if optional || config.pointer("/_meta/filter").is_some() {
        return Ok(Authentication::Sometimes);
    }
    if name == MULTI {
        return of_several(config);
    }
    Ok(Authentication::Always)
}

/// Any one of them lets a request pass; those that are not known here may do so without a consumer.
fn of_several(config: &Value) -> Result<Authentication, String> {
    let several = config.get("auth_plugins").and_then(Value::as_array);
    let plugins = several.into_iter().flatten().filter_map(Value::as_object).flatten();
    let mut least = Authentication::Always;
    for (name, config) in plugins {
        let one = if looks_for_consumers(name) {
            of_plugin(name, config)?
        } else {
            Authentication::Sometimes
        };
        least = least.min(one);
    }
    Ok(least)
}

#[cfg(test)]
mod tests;
