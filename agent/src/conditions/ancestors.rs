//! What a policy's status should say: an entry for each object that it acts through, as in Gateway API's PolicyStatus.
//! Pure: the time is given.
//!
//! Entries are told apart by controller and ancestor. Ours are those with our controller's name, whoever wrote the list
//! last: a list has one owner in Kubernetes' books, and each controller that writes it copies the others' entries.

use hubline::model::Diagnostic;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::Facts;
use super::wanted::{ACCEPTED, Opinion, accepted, apply};
use crate::output::{Ancestor, Standing};
use crate::source::CONTROLLER;

/// Entries that the API takes, of all controllers together (PolicyStatus, `maxItems`). One that finds it full must not
/// add to it.
pub(super) const MOST: usize = 16;

/// What a reference without a group or kind means (Gateway API, ParentReference).
const DEFAULT: (&str, &str) = ("gateway.networking.k8s.io", "Gateway");

/// How a fault of one target begins in a field's name.
const TARGET: &str = "spec.targetRefs[";

/// All entries of the policy, where ours should be others. Those of other controllers stay as they are, and where they
/// are.
pub(super) fn wanted(facts: &Facts, present: &[Value], now: Timestamp) -> Option<Vec<Value>> {
    if facts.declared.standing == Standing::Unknown {
        return None;
    }
    let mut missing: Vec<&Ancestor> = facts.declared.ancestors.iter().collect();
    let mut wanted = Vec::with_capacity(present.len());
    for entry in present {
        if !is_ours(entry) {
            wanted.push(entry.clone());
        } else if let Some(at) = missing.iter().position(|ancestor| names(entry, ancestor)) {
            wanted.push(saying(entry.clone(), missing.remove(at), facts, now));
        }
    }
    let room = MOST.saturating_sub(wanted.len());
    let added = missing.into_iter().take(room);
    wanted.extend(added.map(|ancestor| saying(entry(ancestor), ancestor, facts, now)));
    (wanted != present).then_some(wanted)
}

/// How many ancestors there is no room for.
pub(super) fn left_out(facts: &Facts, present: &[Value]) -> usize {
    let others = present.iter().filter(|entry| !is_ours(entry)).count();
    let room = MOST.saturating_sub(others);
    facts.declared.ancestors.len().saturating_sub(room)
}

fn is_ours(entry: &Value) -> bool {
    entry["controllerName"] == CONTROLLER
}

/// Whether an entry is of an ancestor. One that names more than ours do is of none.
fn names(entry: &Value, ancestor: &Ancestor) -> bool {
    let reference = &entry["ancestorRef"];
    let text = |field: &str, default| reference[field].as_str().unwrap_or(default);
    let more = ["namespace", "sectionName", "port"];
    text("group", DEFAULT.0) == &*ancestor.group
        && text("kind", DEFAULT.1) == &*ancestor.kind
        && text("name", "") == &*ancestor.name
        && more.iter().all(|field| reference[field].is_null())
}

fn entry(ancestor: &Ancestor) -> Value {
    let Ancestor { group, kind, name, .. } = ancestor;
    json!({
        "ancestorRef": {"group": group, "kind": kind, "name": name},
        "controllerName": CONTROLLER,
        "conditions": [],
    })
}

/// The entry with our condition in it; others' stay.
fn saying(mut entry: Value, ancestor: &Ancestor, facts: &Facts, now: Timestamp) -> Value {
    let mut conditions = entry["conditions"].as_array().cloned().unwrap_or_default();
    let diagnostics = facts.diagnostics.as_deref().unwrap_or_default();
    let opinion = opinion(ancestor, diagnostics);
    apply(&mut conditions, ACCEPTED, opinion, facts.reported.generation, now);
    entry["conditions"] = conditions.into();
    entry
}

/// Of what is wrong, what concerns the targets that the ancestor stands for, and the policy as a whole.
fn opinion(ancestor: &Ancestor, diagnostics: &[Diagnostic]) -> Opinion {
    let concerned = diagnostics.iter().filter(|it| match target(&it.field) {
        Some(target) => ancestor.targets.contains(&target),
        None => true,
    });
    let concerned: Vec<Diagnostic> = concerned.cloned().map(in_words_of_policies).collect();
    accepted(&concerned)
}

/// Which target a field belongs to.
fn target(field: &str) -> Option<usize> {
    let (place, _) = field.strip_prefix(TARGET)?.split_once(']')?;
    place.parse().ok()
}

/// PolicyStatus has a word for what is wrong with the policy itself; `Conflicted` and `TargetNotFound` are ours as well.
fn in_words_of_policies(mut diagnostic: Diagnostic) -> Diagnostic {
    if matches!(diagnostic.reason.as_str(), "UnsupportedValue" | "Malformed") {
        diagnostic.reason = "Invalid".to_owned();
    }
    diagnostic
}
