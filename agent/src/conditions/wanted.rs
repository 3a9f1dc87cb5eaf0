//! What an object's status should say, against what it says. Pure: the time is given.

use hubline::model::{Diagnostic, Severity};
use hubline::wire::text::shortened;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::verdict::Verdict;
use super::{Facts, ancestors};
use crate::output::Standing;
use crate::source::ReportedStatus;

/// Whether what the object says was understood and taken, in the words of the Gateway API.
pub(super) const ACCEPTED: &str = "Accepted";

/// Whether the target has it, likewise.
pub(super) const PROGRAMMED: &str = "Programmed";

/// Faults that a condition names; the rest is counted.
const NAMED: usize = 3;

/// What one condition is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opinion {
    /// What is there stays.
    Keep,
    /// There is nothing to say.
    Absent,
    /// This.
    Say {
        /// `True` or `False`.
        holds: bool,
        reason: String,
        message: String,
    },
}

impl Opinion {
    fn holds(reason: &str, message: String) -> Self {
        Self::say(true, reason, message)
    }

    fn fails(reason: &str, message: String) -> Self {
        Self::say(false, reason, message)
    }

    fn say(holds: bool, reason: &str, message: String) -> Self {
        Self::Say {
            holds,
            reason: word(reason),
            message: shortened(message),
        }
    }
}

/// The status to write, as a merge patch; none when the object says it already, or nothing is to be said.
pub(super) fn status(facts: &Facts, verdict: &Verdict, addresses: Option<&[String]>, now: Timestamp) -> Option<Value> {
    match &facts.reported.status {
        ReportedStatus::Addresses(present) => {
            let wanted = self::addresses(facts, present, addresses)?;
            Some(json!({"loadBalancer": {"ingress": load_balancer(wanted)}}))
        }
        ReportedStatus::Conditions(present) => {
            let wanted = conditions(facts, present, verdict, now)?;
            Some(json!({"conditions": wanted}))
        }
        ReportedStatus::Ancestors(present) => {
            let wanted = ancestors::wanted(facts, present, now)?;
            Some(json!({"ancestors": wanted}))
        }
        ReportedStatus::Absent => None,
    }
}

/// Those that an Ingress should have, where it has others. What stops being ours loses what an agent wrote, and nothing
/// else. Without any configured nothing is written, nor taken away: names in the DNS may hang on it.
fn addresses<'a>(facts: &Facts, present: &[Box<str>], configured: Option<&'a [String]>) -> Option<&'a [String]> {
    let wanted = match facts.declared.standing {
        Standing::Ours => configured.filter(|configured| !configured.is_empty())?,
        Standing::Foreign if facts.reported.by_us => &[],
        Standing::Foreign | Standing::Unknown => return None,
    };
    let same = present.iter().map(AsRef::as_ref).eq(wanted.iter().map(String::as_str));
    (!same).then_some(wanted)
}

/// In a merge patch, null removes the list.
fn load_balancer(addresses: &[String]) -> Value {
    let entry = |address: &String| match address.parse::<std::net::IpAddr>() {
        Ok(_) => json!({"ip": address}),
        Err(_) => json!({"hostname": address}),
    };
    if addresses.is_empty() {
        return Value::Null;
    }
    addresses.iter().map(entry).collect()
}

/// All conditions of the object, where ours should be others. Those of other writers stay as they are.
fn conditions(facts: &Facts, present: &[Value], verdict: &Verdict, now: Timestamp) -> Option<Vec<Value>> {
    let opinions = match facts.declared.standing {
        Standing::Ours => {
            let diagnostics = facts.diagnostics.as_deref().unwrap_or_default();
            [
                (ACCEPTED, accepted(diagnostics)),
                (PROGRAMMED, programmed(verdict, diagnostics)),
            ]
        }
        Standing::Foreign if facts.reported.by_us => [(ACCEPTED, Opinion::Absent), (PROGRAMMED, Opinion::Absent)],
        Standing::Foreign | Standing::Unknown => return None,
    };
    let mut wanted = present.to_vec();
    for (kind, opinion) in opinions {
        apply(&mut wanted, kind, opinion, facts.reported.generation, now);
    }
    (wanted != present).then_some(wanted)
}

/// Makes one condition say what it should.
pub(super) fn apply(conditions: &mut Vec<Value>, kind: &str, opinion: Opinion, generation: i64, now: Timestamp) {
    let at = conditions.iter().position(|condition| condition["type"] == kind);
    let (holds, reason, message) = match opinion {
        Opinion::Keep => return,
        Opinion::Absent => return drop(at.map(|at| conditions.remove(at))),
        Opinion::Say { holds, reason, message } => (holds, reason, message),
    };
    let status = if holds { "True" } else { "False" };
    let before = at.and_then(|at| conditions.get(at));
    // The time of the flip, not of the write.
    let since = before.filter(|before| before["status"] == status);
    let since = since.and_then(|before| before["lastTransitionTime"].as_str());
    let mut condition = json!({
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since.map_or_else(|| whole_seconds(now).to_string(), str::to_owned),
    });
    if generation > 0 {
        condition["observedGeneration"] = generation.into();
    }
    match at.and_then(|at| conditions.get_mut(at)) {
        Some(place) => *place = condition,
        None => conditions.push(condition),
    }
}

/// As Kubernetes writes times.
fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// The agent's own judgement.
pub(super) fn accepted(diagnostics: &[Diagnostic]) -> Opinion {
    let (errors, warnings): (Vec<_>, Vec<_>) = diagnostics.iter().partition(|it| it.severity == Severity::Error);
    match errors.first() {
        Some(first) => Opinion::fails(&first.reason, sentences(&errors)),
        None => Opinion::holds(ACCEPTED, sentences(&warnings)),
    }
}

/// The hub's.
fn programmed(verdict: &Verdict, diagnostics: &[Diagnostic]) -> Opinion {
    match verdict {
        Verdict::Unknown => Opinion::Keep,
        Verdict::Programmed => Opinion::holds(PROGRAMMED, String::new()),
        Verdict::Pending => Opinion::fails("Pending", "not everything of it is at APISIX yet".to_owned()),
        Verdict::Problem { reason, message } => Opinion::fails(reason, message.clone()),
        Verdict::Nothing if matches!(accepted(diagnostics), Opinion::Say { holds: false, .. }) => {
            Opinion::fails("NotAccepted", "nothing of it can be at APISIX".to_owned())
        }
        Verdict::Nothing => Opinion::Absent,
    }
}

/// The first of them, each with its field, and how many more there are.
pub(super) fn sentences(diagnostics: &[&Diagnostic]) -> String {
    let sentence = |it: &&Diagnostic| match it.field.as_str() {
        "" => it.message.clone(),
        field => format!("{field}: {}", it.message),
    };
    let mut text = diagnostics
        .iter()
        .take(NAMED)
        .map(sentence)
        .collect::<Vec<_>>()
        .join("; ");
    if diagnostics.len() > NAMED {
        text.push_str(&format!("; and {} more", diagnostics.len() - NAMED));
    }
    text
}

/// A reason as Kubernetes takes it: letters, digits, `_`, `,` and `:`, beginning with a letter, at most 1,024.
pub(super) fn word(reason: &str) -> String {
    let allowed = |letter: &char| letter.is_ascii_alphanumeric() || "_,:".contains(*letter);
    let text: String = reason.chars().filter(allowed).take(128).collect();
    let text = text.trim_start_matches(|letter: char| !letter.is_ascii_alphabetic());
    match text.trim_end_matches([',', ':']) {
        "" => "Unknown".to_owned(),
        text => text.to_owned(),
    }
}
