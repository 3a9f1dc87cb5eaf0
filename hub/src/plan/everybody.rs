//! What acts on everybody's traffic: global rules, of clusters that the operator granted it.
//!
//! APISIX runs a plugin that two global rules have in neither of them (`reference/apisix.md`), so there is one rule for
//! each plugin, whoever wants it. Of several configurations the oldest is in force; who wants the same shares the rule.
//! There are few, so all of them are merged again whenever one changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use hubline::model::{GlobalKey, GlobalRule, Resource, UnixSeconds};
use serde_json::{Value, json};

use super::PlanOptions;
use super::confine::{Authentication, Callers, authentication};
use super::id::{Class, hex};
use super::names::{ByName, KnownName};
use super::plugins::plugins;
use super::scope::{Resources, subject};
use crate::change::Stored;
use crate::cluster::check::{RESTRICTION, SPLIT};
use crate::object::{Cause, Object, ObjectId, ObjectKind, canonical};
use crate::view::{Problem, ProblemKind};

/// What was made of all global rules.
#[derive(Debug, Default)]
pub(super) struct Everybody {
    pub(super) objects: BTreeMap<ObjectId, Arc<Object>>,
    /// Of every rule, be it none.
    pub(super) problems: BTreeMap<GlobalKey, Vec<Problem>>,
    /// Names of consumers that rules ask for.
    pub(super) wants: BTreeMap<GlobalKey, Vec<KnownName>>,
    /// Whether they look for consumers.
    pub(super) authentication: Authentication,
}

/// One plugin in force.
struct InForce {
    config: Value,
    causes: Vec<Cause>,
    holder: GlobalKey,
    since: Option<UnixSeconds>,
}

/// A rule on its way to being merged.
struct Source<'a> {
    key: &'a GlobalKey,
    stored: &'a Stored,
    rule: &'a GlobalRule,
}

struct Merge<'a> {
    options: &'a PlanOptions,
    names: &'a ByName,
    in_force: BTreeMap<String, InForce>,
    everybody: Everybody,
}

/// Merges the rules of these keys.
pub(super) fn merge<'a>(
    options: &PlanOptions,
    resources: &'a Resources,
    names: &ByName,
    keys: impl IntoIterator<Item = &'a GlobalKey>,
) -> Everybody {
    let sources = keys.into_iter().filter_map(|key| source(resources, key));
    let mut sources: Vec<_> = sources.collect();
    // Without a time it is the youngest.
    sources.sort_by_key(|source| (source.rule.created.unwrap_or(UnixSeconds(i64::MAX)), source.key));
    let mut merge = Merge {
        options,
        names,
        in_force: BTreeMap::new(),
        everybody: Everybody::default(),
    };
    for source in sources {
        let problems = merge.take(&source);
        merge.everybody.problems.insert(source.key.clone(), problems);
    }
    merge.finish()
}

fn source<'a>(resources: &'a Resources, key: &'a GlobalKey) -> Option<Source<'a>> {
    let stored = resources.get(key)?;
    match stored.resource.as_ref() {
        Resource::GlobalRule(rule) => Some(Source { key, stored, rule }),
        _ => None,
    }
}

impl Source<'_> {
    fn problem(&self, kind: ProblemKind, reason: &str, message: String) -> Problem {
        Problem {
            kind,
            reason: reason.to_owned(),
            message,
            content_hash: self.stored.hash,
        }
    }

    fn refused(&self, reason: &str, message: String) -> Problem {
        self.problem(ProblemKind::Refused, reason, message)
    }
}

impl Merge<'_> {
    fn take(&mut self, source: &Source<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !self.options.grants.contains(&source.key.cluster) {
            let message = format!(
                "{}: the cluster is not granted plugins on everybody's traffic; the hub's operator grants them \
                 (clusters[].grants)",
                subject(source.key)
            );
            return vec![source.refused("NotGranted", message)];
        }
        if !source.rule.metadata.is_empty() {
            let message = format!("{}: plugin metadata is not programmed yet", subject(source.key));
            problems.push(source.refused("Unsupported", message));
        }
        let mut plugins = match plugins(&source.rule.plugins) {
            Ok(plugins) => plugins,
            Err(message) => {
                problems.push(source.refused("InvalidPlugin", message));
                return problems;
            }
        };
        let mut callers = Callers::new(self.options, &source.key.cluster, self.names);
        callers.rename_anonymous(&mut plugins);
        let unresolved = callers.unresolved.into_iter();
        problems.extend(unresolved.map(|it| source.problem(ProblemKind::Unresolved, "ConsumerNotFound", it)));
        let wants = callers.wants.into_iter().collect();
        self.everybody.wants.insert(source.key.clone(), wants);
        for (plugin, config) in plugins {
            problems.extend(self.plugin(source, &plugin, config));
        }
        problems
    }

    fn plugin(&mut self, source: &Source<'_>, plugin: &str, config: Value) -> Option<Problem> {
        if matches!(plugin, SPLIT | RESTRICTION) {
            let message = format!("{}: {plugin} is the hub's own in global rules", subject(source.key));
            return Some(source.refused("UnsupportedValue", message));
        }
        let one = [(plugin.to_owned(), config.clone())].into_iter().collect();
        match authentication(&one) {
            Ok(found) => self.claim(source, plugin, config, found),
            Err(message) => Some(source.refused("UnsupportedValue", format!("{}: {message}", subject(source.key)))),
        }
    }

    fn claim(&mut self, source: &Source<'_>, plugin: &str, config: Value, found: Authentication) -> Option<Problem> {
        let cause = Cause {
            key: source.key.clone(),
            content_hash: source.stored.hash,
        };
        match self.in_force.get_mut(plugin) {
            Some(in_force) if in_force.config == config => in_force.causes.push(cause),
            Some(in_force) => return Some(conflict(source, plugin, in_force)),
            None => {
                let in_force = InForce {
                    config,
                    causes: vec![cause],
                    holder: source.key.clone(),
                    since: source.rule.created,
                };
                self.in_force.insert(plugin.to_owned(), in_force);
                // Whether the target has the rule is not known here: who comes without a consumer is its own affair.
                let found = found.min(Authentication::Sometimes);
                self.everybody.authentication = self.everybody.authentication.max(found);
            }
        }
        None
    }

    fn finish(mut self) -> Everybody {
        for (plugin, in_force) in self.in_force {
            let object = rule(self.options, &plugin, in_force);
            self.everybody.objects.insert(object.id.clone(), Arc::new(object));
        }
        self.everybody
    }
}

fn conflict(source: &Source<'_>, plugin: &str, in_force: &InForce) -> Problem {
    let time = in_force
        .since
        .and_then(|since| jiff::Timestamp::from_second(since.0).ok());
    let since = time.map(|time| format!(" since {time}")).unwrap_or_default();
    let message = format!(
        "plugin {plugin} on everybody's traffic is configured otherwise by {}{since}; the older stays in force",
        subject(&in_force.holder)
    );
    source.problem(ProblemKind::Conflict, "Conflict", message)
}

fn rule(options: &PlanOptions, plugin: &str, in_force: InForce) -> Object {
    let letter = Class::GlobalRule.letter();
    // With the hub's name: rules have no labels that would tell whose they are.
    let identity = format!("{}\n{plugin}", options.hub);
    let rest = hex(blake3::hash(identity.as_bytes()), 16);
    let id = ObjectId {
        kind: ObjectKind::GlobalRule,
        id: format!("{}{letter}-{rest}", options.prefix.everybody_prefix()).into(),
    };
    let (body, hash) = canonical(&json!({"id": *id.id, "plugins": {plugin: in_force.config}}));
    let mut causes = in_force.causes;
    causes.sort();
    Object {
        id,
        body,
        hash,
        references: Box::default(),
        causes: causes.into(),
    }
}
