//! One rule for HTTP.

use hubline::model::{Key, Route, Timeouts, UnixSeconds};

use super::super::draft::Made;
use super::super::{Draft, authentication, plugin_config, plugins};
use super::backend::{self, Backends};
use super::matching::{self, Matching};
use crate::source::Name;
use crate::source::crd::Timeout;
use crate::source::crd::v2::HttpRule;
use crate::translate::{plugin, value};

pub(super) fn rule(draft: &mut Draft<'_>, field: &str, key: Key, rule: &HttpRule, created: Option<UnixSeconds>) {
    let Ok(matching) = matching::read(draft, field, rule.conditions.as_ref()) else {
        return;
    };
    let (plugins, closed) = match acting(draft, field, rule) {
        Made::Good(configs) => (plugins::model(&configs), false),
        Made::Refused => (vec![plugin::closing()], true),
        Made::Unknown => {
            draft.rendered.held = true;
            return;
        }
    };
    // What is closed leads nowhere, so that nothing is asked for.
    let (backends, plugin_sets) = match closed {
        true => (Backends::default(), Vec::new()),
        false => {
            let Ok(backends) = backend::read(draft, field, rule) else {
                return;
            };
            (backends, plugin_sets(draft, field, rule))
        }
    };
    if backends.all.is_empty() && plugins.is_empty() && plugin_sets.is_empty() {
        draft.wrong(
            field,
            "names no backend, no upstream and no plugin, so it leads nowhere; it is left out",
        );
        return;
    }
    let Matching {
        hosts,
        paths,
        methods,
        conditions,
    } = matching;
    let route = Route {
        hosts,
        paths,
        methods,
        conditions,
        priority: priority(draft, field, rule.priority),
        backends: backends.all,
        plugins,
        plugin_sets,
        timeouts: rule
            .timeout
            .as_ref()
            .and_then(|it| timeouts(draft, &format!("{field}.timeout"), it)),
        websocket: rule.websocket.unwrap_or(backends.websocket),
        created,
    };
    draft.rendered.entries.insert(key, route.into());
}

/// Plugins of the rule itself, authentication over them.
fn acting(draft: &mut Draft<'_>, field: &str, rule: &HttpRule) -> Made<plugins::Configs> {
    let configs = plugins::read(draft, &format!("{field}.plugins"), &rule.plugins);
    let Some(authentication) = &rule.authentication else {
        return configs;
    };
    let asked = authentication::read(draft, &format!("{field}.authentication"), authentication);
    match (configs, asked) {
        (Made::Good(mut configs), Ok(asked)) => {
            configs.extend(asked.map(|(name, config)| (name.to_owned(), config)));
            Made::Good(configs)
        }
        (Made::Unknown, Ok(_)) => Made::Unknown,
        (Made::Refused, _) | (_, Err(())) => Made::Refused,
    }
}

fn plugin_sets(draft: &mut Draft<'_>, field: &str, rule: &HttpRule) -> Vec<Key> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let Some(config) = given(&rule.plugin_config_name) else {
        if given(&rule.plugin_config_namespace).is_some() {
            let message = "does nothing without plugin_config_name";
            draft.warn(format!("{field}.plugin_config_namespace"), message);
        }
        return Vec::new();
    };
    let name = match given(&rule.plugin_config_namespace) {
        Some(namespace) => Name::new(&namespace, &config),
        None => draft.name.sibling(&config),
    };
    let field = format!("{field}.plugin_config_name");
    draft.demand.plugin_configs.entry(name.clone()).or_insert(field);
    vec![plugin_config::key(&name)]
}

/// A priority; the nearest one where it is beyond what there is.
pub(in crate::translate::apisix) fn priority(draft: &mut Draft<'_>, field: &str, priority: Option<i64>) -> i32 {
    let priority = priority.unwrap_or(0);
    i32::try_from(priority).unwrap_or_else(|_| {
        let bound = if priority < 0 { i32::MIN } else { i32::MAX };
        let message = format!("{priority} is beyond what routes are ordered by; {bound} is taken");
        draft.warn(format!("{field}.priority"), message);
        bound
    })
}

/// Timeouts, of which 0 says nothing; a value that is wrong is left out.
pub(in crate::translate::apisix) fn timeouts(
    draft: &mut Draft<'_>,
    field: &str,
    timeout: &Timeout,
) -> Option<Timeouts> {
    let mut milliseconds = |name: &str, text: &Option<String>| {
        let Some(text) = text.as_deref().filter(|text| !text.is_empty()) else {
            return 0;
        };
        match value::duration(text) {
            Ok(duration) => u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            Err(message) => {
                draft.wrong(format!("{field}.{name}"), format!("{message}; it is left out"));
                0
            }
        }
    };
    let timeouts = Timeouts {
        connect_ms: milliseconds("connect", &timeout.connect),
        send_ms: milliseconds("send", &timeout.send),
        read_ms: milliseconds("read", &timeout.read),
    };
    let said = timeouts.connect_ms > 0 || timeouts.send_ms > 0 || timeouts.read_ms > 0;
    said.then_some(timeouts)
}
