//! What is asked of a request once it is known who calls: `consumer-restriction`, then `limit-count` with policy `local`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::answers::Answer;
use super::plugins::Layers;

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the two answer, if one does.
pub(super) fn answer(layers: &Layers<'_>, variable: Variable<'_>) -> Option<Answer> {
    let restriction = layers.first(|plugins| plugins.restriction.as_ref());
    let refused = restriction.and_then(|plugin| plugin.running(variable)?.answer(variable));
    refused.or_else(|| {
        let limit = layers.first(|plugins| plugins.limit.as_ref())?;
        limit.running(variable)?.answer(variable)
    })
}

/// `consumer-restriction`.
#[derive(Debug)]
pub(super) struct ConsumerRestriction {
    /// the variable that is looked at, and what it is called in answers
    kind: String,
    whitelist: Vec<String>,
    blacklist: Vec<String>,
    methods: Vec<(String, Vec<String>)>,
    status: u16,
    message: Option<String>,
}

impl ConsumerRestriction {
    pub(super) fn new(configuration: &Value) -> Self {
        let kind = configuration["type"].as_str().unwrap_or("consumer_name").to_owned();
        let methods = configuration["allowed_by_methods"].as_array();
        let of_user = |entry: &Value| Some((entry["user"].as_str()?.to_owned(), texts(&entry["methods"])));
        Self {
            kind,
            whitelist: texts(&configuration["whitelist"]),
            blacklist: texts(&configuration["blacklist"]),
            methods: methods.into_iter().flatten().filter_map(of_user).collect(),
            status: super::answers::status(&configuration["rejected_code"]).unwrap_or(403),
            message: configuration["rejected_msg"].as_str().map(str::to_owned),
        }
    }

    fn answer(&self, variable: Variable<'_>) -> Option<Answer> {
        let kind = &self.kind;
        let Some(value) = variable(kind) else {
            let message = format!("The request is rejected, please check the {kind} for this request");
            return Some(Answer::with_message(401, &message));
        };
        let method = variable("request_method").unwrap_or_default();
        let listed = self.whitelist.contains(&value);
        let unlisted = !self.whitelist.is_empty() && !listed;
        let refused = self.blacklist.contains(&value) || unlisted || (!listed && !self.may(&value, &method));
        let message = self.message.clone();
        let message = message.unwrap_or_else(|| format!("The {kind} is forbidden."));
        refused.then(|| Answer::with_message(self.status, &message))
    }

    /// Who is not named may use every method.
    fn may(&self, user: &str, method: &str) -> bool {
        let named = self.methods.iter().find(|(name, _)| name == user);
        named.is_none_or(|(_, methods)| methods.iter().any(|allowed| allowed == method))
    }
}

/// `limit-count`; its counters begin anew whenever the object that has it is written.
#[derive(Debug)]
pub(super) struct LimitCount {
    count: u64,
    window: Duration,
    key: String,
    status: u16,
    counters: Mutex<HashMap<String, (Instant, u64)>>,
}

impl LimitCount {
    pub(super) fn new(configuration: &Value) -> Self {
        Self {
            count: configuration["count"].as_u64().unwrap_or_default(),
            window: Duration::from_secs(configuration["time_window"].as_u64().unwrap_or_default()),
            key: configuration["key"].as_str().unwrap_or("remote_addr").to_owned(),
            status: super::answers::status(&configuration["rejected_code"]).unwrap_or(503),
            counters: Mutex::default(),
        }
    }

    fn answer(&self, variable: Variable<'_>) -> Option<Answer> {
        let part = |name: &str| variable(name).unwrap_or_default();
        // Each route and consumer counts for itself.
        let key = [part("route_id"), part("consumer_name"), part(&self.key)].join("\n");
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (since, count) = counters.entry(key).or_insert((now, 0));
        if now.duration_since(*since) >= self.window {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        (*count > self.count).then(|| Answer::plain(self.status))
    }
}

fn texts(value: &Value) -> Vec<String> {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
