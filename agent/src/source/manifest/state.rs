//! What the directory's files say, and which of it is in force. No I/O.
//!
//! A file may be read while it is being written, and then look whole: empty, or cut where a document ends. So what a
//! reading takes away counts only when the next one, some time later, finds the file unchanged (or missing again); what
//! it adds or changes counts at once, but for the last object of a file that got shorter, which may be cut itself.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Bytes of the content that was last taken as it stands.
    length: usize,
    /// The objects in force, its last good ones among them.
    objects: BTreeMap<ObjectId, Object>,
    /// In force although the content lacks them, until it is read a second time.
    missing: BTreeSet<ObjectId>,
    /// The former form of the last object is in force, until the content is read a second time.
    perhaps_cut: bool,
    /// It was not there at the last reading: what it had is in force until it is missed a second time.
    gone: bool,
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
        self.files
            .retain(|name, file| scan.contains_key(name) || !std::mem::replace(&mut file.gone, true));
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

    /// Whether the directory was read at least once.
    pub(super) fn is_begun(&self) -> bool {
        self.begun
    }

    /// Whether something is in force only until a second reading, which shall come soon.
    pub(super) fn is_doubtful(&self) -> bool {
        self.files.values().any(|file| file.gone || file.is_doubtful())
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

    /// All objects; of those that stand in several files the first file's, and a problem for each of the others. What a
    /// file had and perhaps has no more yields to all that others have: an object that moved is not held back.
    fn merged(&self) -> (BTreeMap<ObjectId, Object>, Vec<Diagnostic>) {
        let mut problems: Vec<Diagnostic> = Vec::new();
        let mut owners: BTreeMap<&ObjectId, &str> = BTreeMap::new();
        let mut merged = BTreeMap::new();
        for (name, file) in &self.files {
            problems.extend(file.problems.iter().map(|problem| diagnostic(name, problem)));
            for (id, object) in file.certain() {
                match owners.get(id) {
                    Some(owner) => problems.push(duplicate(name, id, owner)),
                    None => {
                        owners.insert(id, name);
                        merged.insert(id.clone(), object.clone());
                    }
                }
            }
        }
        for (id, object) in self.files.values().flat_map(|file| &file.objects) {
            merged.entry(id.clone()).or_insert_with(|| object.clone());
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

    fn is_doubtful(&self) -> bool {
        self.perhaps_cut || !self.missing.is_empty()
    }

    /// Objects that it had at the last reading.
    fn certain(&self) -> impl Iterator<Item = (&ObjectId, &Object)> {
        self.objects
            .iter()
            .filter(|(id, _)| !self.gone && !self.missing.contains(*id))
    }

    fn update(&mut self, content: Result<String, String>) {
        self.gone = false;
        let text = match content {
            Ok(text) => text,
            Err(reason) => return self.unreadable(&reason),
        };
        let hash = Some(ContentHash::of(text.as_bytes()));
        let again = self.hash == hash;
        if again && !self.is_doubtful() {
            return;
        }
        self.hash = hash;
        let content = document::read(&text);
        let last = content.objects.last().map(Object::id);
        let before = self.take(content);
        if self.is_broken() {
            // A broken document may be any of those that are not found any more: their last good form stays.
            self.keep(before);
        } else if !again {
            self.doubt(before, last.as_ref().filter(|_| text.len() < self.length));
        }
        if !self.is_doubtful() {
            self.length = text.len();
        }
    }

    /// Takes the content as it stands; returns the objects of before.
    fn take(&mut self, content: document::Content) -> BTreeMap<ObjectId, Object> {
        self.problems = content.problems;
        self.missing.clear();
        self.perhaps_cut = false;
        let before = std::mem::take(&mut self.objects);
        for object in content.objects {
            match self.objects.entry(object.id()) {
                Entry::Occupied(known) => self.problems.push(twice(known.key())),
                Entry::Vacant(free) => {
                    free.insert(object);
                }
            }
        }
        before
    }

    fn keep(&mut self, before: BTreeMap<ObjectId, Object>) {
        for (id, object) in before {
            self.objects.entry(id).or_insert(object);
        }
    }

    /// What the content takes away stays until it is read a second time, and so does the former form of an object that
    /// it may have cut.
    fn doubt(&mut self, before: BTreeMap<ObjectId, Object>, cut: Option<&ObjectId>) {
        for (id, object) in before {
            match self.objects.entry(id) {
                Entry::Vacant(free) => {
                    self.missing.insert(free.key().clone());
                    free.insert(object);
                }
                Entry::Occupied(mut now) => {
                    if cut == Some(now.key()) && *now.get() != object {
                        self.perhaps_cut = true;
                        now.insert(object);
                    }
                }
            }
        }
    }

    fn unreadable(&mut self, reason: &str) {
        self.hash = None;
        self.missing.clear();
        self.perhaps_cut = false;
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
