//! What a hub says of an object: the worst of what it says of the object's resources. Pure.

use hubline::model::{Key, ResourceKind};
use hubline::wire::{ContentHash, ResourceStatus};

use crate::output::Declared;
use crate::source::ObjectId;
use crate::status::Statuses;

/// What a hub says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not everything that would be needed to tell: no word on some resource, or only on content that it no longer has.
    Unknown,
    /// Nothing was made of it that could be at the target.
    Nothing,
    /// The target has all of it.
    Programmed,
    /// Some of it waits for the target.
    Pending,
    /// Some of it is not in force.
    Problem {
        /// A word for programs, as `Conflict`.
        reason: String,
        /// A sentence for people.
        message: String,
    },
}

/// The hub's words, the worst first; any other word comes behind these.
const PROBLEMS: [&str; 5] = ["Quarantined", "Refused", "Conflict", "Unresolved", "Held"];

/// The hub's reason for what is refused because something that it refers to is not at the target.
const DEPENDENCY: &str = "dependency";

/// What one resource's status means to its object.
enum Word<'a> {
    Unknown,
    Fine,
    Pending,
    Problem(&'a ResourceStatus),
}

/// The verdict on an object of these resources, of which `published` tells the content that hubs have, or will have.
pub(super) fn of(
    id: &ObjectId,
    declared: &Declared,
    published: impl Fn(&Key) -> Option<ContentHash>,
    said: &Statuses,
) -> Verdict {
    let (mut unknown, mut pending, mut fine) = (!declared.whole, false, false);
    let mut problems = Vec::new();
    // What is referred to and not there is no resource; the object's diagnostics tell.
    for (key, hash) in declared.keys.iter().filter_map(|key| Some((key, published(key)?))) {
        match word(key, hash, said) {
            Word::Unknown => unknown = true,
            Word::Pending => pending = true,
            Word::Fine => fine = true,
            Word::Problem(status) => problems.push((rank(status), key, status)),
        }
    }
    problems.sort_by_key(|(rank, key, _)| (*rank, *key));
    match problems.first() {
        Some((_, key, status)) => problem(id, key, status, problems.len()),
        None if pending => Verdict::Pending,
        None if unknown => Verdict::Unknown,
        None if fine => Verdict::Programmed,
        None => Verdict::Nothing,
    }
}

fn word<'a>(key: &Key, hash: ContentHash, said: &'a Statuses) -> Word<'a> {
    // Of these nothing is said unless something is wrong.
    let silent = matches!(
        key.kind,
        ResourceKind::EndpointSet | ResourceKind::Node | ResourceKind::ClusterInfo
    );
    match said.get(key).filter(|status| status.content_hash == hash) {
        None if silent => Word::Fine,
        None => Word::Unknown,
        Some(status) => match status.condition.as_str() {
            "Programmed" | "Accepted" => Word::Fine,
            "Pending" => Word::Pending,
            _ => Word::Problem(status),
        },
    }
}

/// What only follows from something else comes last.
fn rank(status: &ResourceStatus) -> (bool, usize) {
    let known = PROBLEMS.iter().position(|known| *known == status.condition);
    (status.reason == DEPENDENCY, known.unwrap_or(PROBLEMS.len()))
}

fn problem(id: &ObjectId, key: &Key, status: &ResourceStatus, count: usize) -> Verdict {
    let ResourceStatus {
        condition,
        reason,
        message,
        ..
    } = status;
    let mut text = place(id, key);
    if reason != condition && !reason.is_empty() {
        text.push_str(&format!(": {reason}"));
    }
    if !message.is_empty() {
        text.push_str(&format!(": {message}"));
    }
    if count > 1 {
        text.push_str(&format!(" (and {} more)", count - 1));
    }
    Verdict::Problem {
        reason: condition.clone(),
        message: text,
    }
}

/// Which part of the object, or which other object that it depends on.
fn place(id: &ObjectId, key: &Key) -> String {
    let source = id.kind.group_kind();
    let own = key.source == source && *key.namespace == *id.name.namespace && *key.name == *id.name.name;
    let whose = if own {
        key.kind.to_string()
    } else {
        format!("{} {}/{}", key.source.kind, key.namespace, key.name)
    };
    match key.section.as_str() {
        "" => whose,
        section => format!("{whose} {section}"),
    }
}
