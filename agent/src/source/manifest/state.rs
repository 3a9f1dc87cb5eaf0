//! What the directory's files say, and which of it is in force. No I/O.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use hubline::model::{Diagnostic, GroupKind, ObjectRef, Severity};
use hubline::wire::ContentHash;

use super::document::{self, Problem};
use super::files::Scan;
use crate::source::{Coverage, Kind, Object, ObjectId, SourceEvent};

/// One file.
#[derive(Debug, Default)]
struct FileState {
    /// Of the content that was read last; none when it could not be read.
    hash: Option<ContentHash>,
    /// The objects in force, its last good ones among them.
    objects: BTreeMap<ObjectId, Object>,
    problems: Vec<Problem>,
}

/// All files.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    files: BTreeMap<String, FileState>,
    in_force: BTreeMap<ObjectId, Object>,
    problems: Vec<Diagnostic>,
    /// Whether readers were given a complete listing since the last failure.
    listed: bool,
}

impl Manifests {
    /// Takes a reading of the directory; returns what changed by it, or all of it the first time.
    pub(super) fn update(&mut self, scan: Scan) -> Vec<SourceEvent> {
        self.files.retain(|name, _| scan.contains_key(name));
        for (name, content) in scan {
            self.files.entry(name).or_default().update(content);
        }
        let (in_force, problems) = self.merged();
        let mut events = match std::mem::replace(&mut self.listed, true) {
            true => changes(&self.in_force, &in_force),
            false => listing(&in_force),
        };
        if self.problems != problems {
            events.push(SourceEvent::Problems(problems.clone()));
        }
        (self.in_force, self.problems) = (in_force, problems);
        events
    }

    /// The directory cannot be read: everything stays in force.
    pub(super) fn failed(&mut self, reason: &str) -> Vec<SourceEvent> {
        self.listed = false;
        let failed = |kind: &Kind| SourceEvent::Failed {
            kind: *kind,
            reason: reason.to_owned(),
        };
        Kind::ALL.iter().map(failed).collect()
    }

    /// All objects; of those that stand in several files the first file's, and a problem for each of the others.
    fn merged(&self) -> (BTreeMap<ObjectId, Object>, Vec<Diagnostic>) {
        let mut problems: Vec<Diagnostic> = Vec::new();
        let mut owners: BTreeMap<&ObjectId, &str> = BTreeMap::new();
        let mut merged = BTreeMap::new();
        for (name, file) in &self.files {
            problems.extend(file.problems.iter().map(|problem| diagnostic(name, problem)));
            for (id, object) in &file.objects {
                match owners.get(id) {
                    Some(owner) => problems.push(duplicate(name, id, owner)),
                    None => {
                        owners.insert(id, name);
                        merged.insert(id.clone(), object.clone());
                    }
                }
            }
        }
        problems.sort();
        (merged, problems)
    }
}

impl FileState {
    fn update(&mut self, content: Result<String, String>) {
        let text = match content {
            Ok(text) => text,
            Err(reason) => return self.unreadable(&reason),
        };
        let hash = Some(ContentHash::of(text.as_bytes()));
        if self.hash == hash {
            return;
        }
        self.hash = hash;
        let content = document::read(&text);
        self.problems = content.problems;
        let broken = self.problems.iter().any(|problem| problem.severity == Severity::Error);
        let before = std::mem::take(&mut self.objects);
        for object in content.objects {
            match self.objects.entry(object.id()) {
                Entry::Occupied(known) => self.problems.push(twice(known.key())),
                Entry::Vacant(free) => {
                    free.insert(object);
                }
            }
        }
        // A broken document may be any of those that are not found any more: their last good form stays.
        if broken {
            for (id, object) in before {
                self.objects.entry(id).or_insert(object);
            }
        }
    }

    fn unreadable(&mut self, reason: &str) {
        self.hash = None;
        self.problems = vec![Problem {
            document: 0,
            line: 0,
            severity: Severity::Error,
            reason: "Unreadable",
            message: format!("cannot be read: {reason}"),
        }];
    }
}

fn twice(id: &ObjectId) -> Problem {
    Problem {
        document: 0,
        line: 0,
        severity: Severity::Warning,
        reason: "Duplicate",
        message: format!("{} stands here more than once; the first is in force", id.reference()),
    }
}

fn duplicate(file: &str, id: &ObjectId, owner: &str) -> Diagnostic {
    let problem = Problem {
        message: format!("{} stands in {owner} too, which is in force", id.reference()),
        ..twice(id)
    };
    diagnostic(file, &problem)
}

fn diagnostic(file: &str, problem: &Problem) -> Diagnostic {
    let field = match problem.document {
        0 => String::new(),
        document => format!("document {document}, line {}", problem.line),
    };
    Diagnostic {
        object: ObjectRef {
            source: GroupKind::new("", "File"),
            namespace: String::new(),
            name: file.to_owned(),
        },
        field,
        severity: problem.severity,
        reason: problem.reason.to_owned(),
        message: problem.message.clone(),
    }
}

fn listing(objects: &BTreeMap<ObjectId, Object>) -> Vec<SourceEvent> {
    let mut events: Vec<SourceEvent> = Kind::ALL.iter().map(|kind| SourceEvent::Begin(*kind)).collect();
    events.extend(
        objects
            .values()
            .map(|object| SourceEvent::Listed(Box::new(object.clone()))),
    );
    events.extend(Kind::ALL.iter().map(|kind| SourceEvent::End {
        kind: *kind,
        coverage: Coverage::All,
    }));
    events
}

fn changes(before: &BTreeMap<ObjectId, Object>, after: &BTreeMap<ObjectId, Object>) -> Vec<SourceEvent> {
    let gone = before.keys().filter(|id| !after.contains_key(*id));
    let mut events: Vec<SourceEvent> = gone.map(|id| SourceEvent::Delete(id.clone())).collect();
    let changed = after.iter().filter(|(id, object)| before.get(*id) != Some(*object));
    events.extend(changed.map(|(_, object)| SourceEvent::Apply(Box::new(object.clone()))));
    events
}
