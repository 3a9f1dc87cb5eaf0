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
    /// Broken at the directory's first reading and ever since: some of its objects may have no last good form.
    never_whole: bool,
}

/// All files.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    files: BTreeMap<String, FileState>,
    in_force: BTreeMap<ObjectId, Object>,
    problems: Vec<Diagnostic>,
    /// As last said by [`SourceEvent::Unread`].
    unread: BTreeMap<Kind, String>,
    /// Whether the directory was read at least once.
    begun: bool,
    /// Whether readers were given a complete listing since the last failure.
    listed: bool,
}

impl Manifests {
    /// Takes a reading of the directory; returns what changed by it, or all of it the first time.
    pub(super) fn update(&mut self, scan: Scan) -> Vec<SourceEvent> {
        let first = !std::mem::replace(&mut self.begun, true);
        self.files.retain(|name, _| scan.contains_key(name));
        for (name, content) in scan {
            // Nobody can have read anything from a file that is broken when it appears later.
            let file = self.files.entry(name).or_insert_with(|| FileState::new(first));
            file.update(content);
            file.never_whole &= file.is_broken();
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
        self.tell_unread(first, &mut events);
        events
    }

    fn tell_unread(&mut self, first: bool, events: &mut Vec<SourceEvent>) {
        let unread = self.unread();
        if self.unread == unread {
            return;
        }
        let event = SourceEvent::Unread(unread.clone());
        self.unread = unread;
        let at = if first { 0 } else { events.len() };
        events.insert(at, event);
    }

    /// Kinds of which objects may have no last good form, each with the first file for which that is so.
    fn unread(&self) -> BTreeMap<Kind, String> {
        let mut unread = BTreeMap::new();
        for (name, file) in self.files.iter().filter(|(_, file)| file.never_whole) {
            for kind in file.errors().flat_map(hidden_kinds) {
                unread
                    .entry(*kind)
                    .or_insert_with(|| format!("file {name} cannot be read whole"));
            }
        }
        unread
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
    fn new(never_whole: bool) -> Self {
        Self {
            never_whole,
            ..Self::default()
        }
    }

    fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
    }

    fn is_broken(&self) -> bool {
        self.errors().next().is_some()
    }

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
        let broken = self.is_broken();
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
            kind: None,
        }];
    }
}

/// Kinds of which an object may be hidden by a problem.
fn hidden_kinds(problem: &Problem) -> &[Kind] {
    problem.kind.as_ref().map_or(Kind::ALL, std::slice::from_ref)
}

fn twice(id: &ObjectId) -> Problem {
    Problem {
        document: 0,
        line: 0,
        severity: Severity::Warning,
        reason: "Duplicate",
        message: format!("{} stands here more than once; the first is in force", id.reference()),
        kind: Some(id.kind),
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
