//! Kubernetes Events on objects that have no conditions, as Ingresses: what is wrong with them. Pure: the time is given.
//!
//! An event's name follows from what it says of which object, so that saying it again after a restart makes no second
//! one for as long as Kubernetes keeps the first (an hour, by default).

use hubline::model::{Diagnostic, Severity};
use hubline::wire::text::shortened;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;

use super::verdict::Verdict;
use super::wanted::{sentences, word};
use super::{Facts, ancestors};
use crate::output::Standing;
use crate::source::{CONTROLLER, ObjectId, ReportedStatus};

/// Longest name of an object.
const MAX_NAME: usize = 253;

/// Something wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Notice {
    pub(super) reason: String,
    pub(super) note: String,
}

/// What is wrong with an object that has no conditions to say it, or no room for them.
pub(super) fn of(facts: &Facts, verdict: &Verdict) -> Vec<Notice> {
    if facts.declared.standing != Standing::Ours {
        return Vec::new();
    }
    let diagnostics = facts.diagnostics.as_deref().unwrap_or_default();
    match &facts.reported.status {
        ReportedStatus::Conditions(_) => Vec::new(),
        ReportedStatus::Ancestors(present) => match ancestors::left_out(facts, present) {
            0 => Vec::new(),
            count => std::iter::once(no_room(count)).chain(faults(diagnostics)).collect(),
        },
        ReportedStatus::Addresses(_) | ReportedStatus::Absent => told(diagnostics, verdict),
    }
}

/// What the agent found, and what the hub says beyond it.
fn told(diagnostics: &[Diagnostic], verdict: &Verdict) -> Vec<Notice> {
    let broken = diagnostics.iter().any(|it| it.severity == Severity::Error);
    let mut notices = faults(diagnostics);
    match verdict {
        // The agent has said it with the field.
        Verdict::Problem { reason, .. } if broken && reason == "Unresolved" => {}
        Verdict::Problem { reason, message } => notices.push(Notice {
            reason: word(reason),
            note: shortened(message.clone()),
        }),
        Verdict::Unknown | Verdict::Nothing | Verdict::Programmed | Verdict::Pending => {}
    }
    notices
}

/// What does not work, and then what works, but perhaps not as meant: nothing else would say either on the object.
fn faults(diagnostics: &[Diagnostic]) -> Vec<Notice> {
    let all = [Severity::Error, Severity::Warning].into_iter().map(|severity| {
        let alike = diagnostics.iter().filter(|it| it.severity == severity);
        alike.collect::<Vec<_>>()
    });
    let notice = |alike: Vec<&Diagnostic>| {
        Some(Notice {
            reason: word(&alike.first()?.reason),
            note: shortened(sentences(&alike)),
        })
    };
    all.filter_map(notice).collect()
}

fn no_room(count: usize) -> Notice {
    let most = ancestors::MOST;
    Notice {
        reason: "AncestorsFull".to_owned(),
        note: format!(
            "status.ancestors takes {most} entries, of all controllers together; what the policy does by {count} more \
             ancestors is not said there"
        ),
    }
}

impl Notice {
    /// The name of its event.
    pub(super) fn name(&self, id: &ObjectId, uid: &str) -> String {
        let mut hash = Fnv::default();
        for part in [id.kind.name(), uid, &self.reason, &self.note] {
            hash.add(part);
        }
        let suffix = format!(".hubline.{:016x}", hash.0);
        let mut name = id.name.name.as_ref().to_owned();
        name.truncate(name.floor_char_boundary(MAX_NAME - suffix.len()));
        name + &suffix
    }

    /// Its event.
    pub(super) fn event(&self, id: &ObjectId, facts: &Facts, instance: &str, now: Timestamp) -> Event {
        let uid = &*facts.reported.uid;
        let namespace = Some(id.name.namespace.as_ref().to_owned());
        Event {
            metadata: ObjectMeta {
                name: Some(self.name(id, uid)),
                namespace: namespace.clone(),
                ..ObjectMeta::default()
            },
            regarding: Some(ObjectReference {
                api_version: Some(id.kind.api_version().to_owned()),
                kind: Some(id.kind.name().to_owned()),
                name: Some(id.name.name.as_ref().to_owned()),
                namespace,
                uid: Some(uid.to_owned()),
                ..ObjectReference::default()
            }),
            event_time: Some(MicroTime(now)),
            type_: Some("Warning".to_owned()),
            action: Some("Translate".to_owned()),
            reason: Some(self.reason.clone()),
            note: Some(self.note.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(instance.to_owned()),
            ..Event::default()
        }
    }
}

/// What an event that says the same once more gets: how often, and when last.
pub(super) fn again(count: i32, now: Timestamp) -> EventSeries {
    EventSeries {
        count,
        last_observed_time: MicroTime(now),
    }
}

/// FNV-1a with 64 bits: the same in every build and run. It need not withstand anybody: who can write Ingresses may
/// hide events of their own only.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
