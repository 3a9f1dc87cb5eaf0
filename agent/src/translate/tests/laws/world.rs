//! An agent under a random history, and what a fresh one would have to be told to know the same.
//!
//! [`Known`] says in plain maps what is to be remembered of a history; it has no notion of what is dirty. Two memories
//! depend on when the agent drained, and are taken over: that certificates were complete once, and who asks for Secrets.

use std::collections::{BTreeMap, BTreeSet};

use super::super::fixture::Held;
use super::super::unknown::unknown_without;
use super::super::{TranslateOptions, Translator, options};
use super::generate::Start;
use super::known::{FORBIDDEN, Known, covers, listed, malformed};
use super::unread;
use crate::source::object::Secret;
use crate::source::{Coverage, Fetch, Kind, Object, ObjectId, SourceEvent};
use hubline::model::{Diagnostic, ObjectRef, Severity};

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Found(Secret),
    NotFound,
    Failed,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Apply(Object),
    Delete(ObjectId),
    /// Of one of the objects that are there.
    DeleteOne(u8),
    ApplyAgain(u8),
    /// It cannot be read any more.
    Break(ObjectId),
    BreakOne(u8),
    /// An object of this kind that cannot be read, if there is one, can be read again, with this content.
    Mend(Object),
    /// Changes that only the next listing shows.
    Unseen(Object),
    UnseenDelete(u8),
    UnseenBreak(ObjectId),
    /// A complete listing.
    List(Kind),
    /// A listing that fails after it showed everything.
    CutListing(Kind),
    Fail(Kind),
    /// The answer to one of the Secrets that are asked for.
    Answer(usize, Answer),
    Unread(BTreeSet<Kind>),
    Problems(u8),
    Version(u8),
    StopWaiting,
    Drain,
}

/// An object at the API server: as it is, or unreadable.
type Truth = BTreeMap<ObjectId, Option<Object>>;

/// See the module.
pub(super) struct World {
    pub(super) translator: Translator,
    pub(super) held: Held,
    pub(super) known: Known,
    truth: Truth,
    coverage: Coverage,
    /// What happened, for the test that counts it.
    pub(super) hits: BTreeMap<String, usize>,
    /// Every object that was there once.
    seen: BTreeSet<ObjectId>,
}

impl World {
    pub(super) fn new(start: &Start) -> Self {
        let namespaces = start.one_namespace.then(|| ["shop".to_owned()].into());
        let mut world = Self {
            translator: Translator::new(TranslateOptions {
                namespaces,
                cross_namespace_services: start.all_secrets,
                ..options()
            }),
            held: Held::default(),
            known: Known::default(),
            truth: Truth::new(),
            coverage: if start.all_secrets {
                Coverage::All
            } else {
                Coverage::Selected
            },
            hits: BTreeMap::new(),
            seen: BTreeSet::new(),
        };
        // What nothing needs is listed at once, and empty.
        let first = |kind: &&Kind| start.listed || unknown_without(**kind).is_empty();
        Kind::ALL.iter().filter(first).for_each(|kind| world.list(*kind));
        if start.listed {
            world.drain();
        }
        world
    }

    pub(super) fn hit(&mut self, what: impl Into<String>) {
        *self.hits.entry(what.into()).or_default() += 1;
    }

    fn concerns(&self, id: &ObjectId) -> bool {
        self.translator.concerns(&SourceEvent::Delete(id.clone()))
    }

    pub(super) fn happens(&mut self, step: Step) {
        match step {
            Step::Apply(object) => {
                self.truth.insert(object.id(), Some(object.clone()));
                self.apply(object);
            }
            Step::Delete(id) => self.vanish(&id),
            Step::DeleteOne(which) => self.one(which).iter().for_each(|id| self.vanish(id)),
            Step::ApplyAgain(which) => {
                let object = self.one(which).and_then(|id| self.truth.get(&id).cloned().flatten());
                object.into_iter().for_each(|object| self.apply(object));
            }
            Step::Break(id) => self.become_unreadable(&id),
            Step::BreakOne(which) => self.one(which).iter().for_each(|id| self.become_unreadable(id)),
            Step::Mend(object) => self.mend(object),
            Step::Unseen(object) => drop(self.truth.insert(object.id(), Some(object))),
            Step::UnseenDelete(which) => drop(self.one(which).and_then(|id| self.truth.remove(&id))),
            Step::UnseenBreak(id) => drop(self.truth.insert(id, None)),
            Step::List(kind) => self.list(kind),
            Step::CutListing(kind) => {
                self.translator.apply(SourceEvent::Begin(kind));
                self.show(kind);
                self.fail(kind, "cut");
            }
            Step::Fail(kind) => self.fail(kind, "failed"),
            Step::Answer(which, answer) => self.answer(which, answer),
            Step::Unread(kinds) => self.unread(kinds),
            Step::Problems(count) => self.problems(count),
            Step::Version(version) => {
                let version = format!("v1.{version}");
                self.hit("version");
                self.translator.apply(SourceEvent::Version(version.clone()));
                self.known.version = Some(version);
            }
            Step::StopWaiting => self.stop_waiting(),
            Step::Drain => self.drain(),
        }
    }

    /// One of the objects at the API server.
    fn one(&self, which: u8) -> Option<ObjectId> {
        let at = usize::from(which).checked_rem(self.truth.len())?;
        self.truth.keys().nth(at).cloned()
    }

    fn vanish(&mut self, id: &ObjectId) {
        self.truth.remove(id);
        self.delete(id);
    }

    fn become_unreadable(&mut self, id: &ObjectId) {
        self.truth.insert(id.clone(), None);
        self.spoil(id);
    }

    fn mend(&mut self, object: Object) {
        let kind = object.id().kind;
        if let Some(broken) = self.known.broken.iter().find(|id| id.kind == kind).cloned() {
            let object = object.named(broken.name);
            self.truth.insert(object.id(), Some(object.clone()));
            self.apply(object);
        }
    }

    fn apply(&mut self, object: Object) {
        let id = object.id();
        self.note_put(&object);
        self.translator.apply(SourceEvent::Apply(Box::new(object.clone())));
        if self.concerns(&id) {
            self.known.put(object);
        }
    }

    fn note_put(&mut self, object: &Object) {
        let id = object.id();
        let kind = id.kind.name();
        let what = match self.known.objects.get(&id).and_then(|forms| forms.last()) {
            Some(before) if before == object => "applied again",
            Some(_) => "changed",
            None if self.seen.contains(&id) => "made again",
            None => "made",
        };
        self.hit(format!("{kind} {what}"));
        if self.known.never_read.contains(&id) {
            self.hit(format!("{kind} read at last"));
        } else if self.known.broken.contains(&id) {
            self.hit(format!("{kind} mended"));
        }
        self.seen.insert(id);
    }

    fn delete(&mut self, id: &ObjectId) {
        // The watch tells of the deletion of what it selects, and of no other.
        if id.kind == Kind::Secret && !self.known.objects.contains_key(id) && !self.known.broken.contains(id) {
            return;
        }
        let known = self.known.objects.contains_key(id);
        self.hit(format!(
            "{} {}",
            id.kind.name(),
            if known { "deleted" } else { "deleted unknown" }
        ));
        self.translator.apply(SourceEvent::Delete(id.clone()));
        if self.concerns(id) {
            self.known.delete(id);
        }
    }

    fn spoil(&mut self, id: &ObjectId) {
        self.translator.apply(malformed(id.clone()));
        if self.concerns(id) {
            self.known.spoil(id.clone());
            let never = self.known.never_read.contains(id);
            self.hit(format!(
                "{} {}",
                id.kind.name(),
                if never { "never read" } else { "broken" }
            ));
        }
    }

    /// The objects of a listing, as it shows them.
    fn show(&mut self, kind: Kind) -> BTreeSet<ObjectId> {
        let truth: Vec<_> = self.truth.iter().filter(|(id, _)| id.kind == kind).collect();
        let truth: Vec<_> = truth
            .into_iter()
            .map(|(id, object)| (id.clone(), object.clone()))
            .collect();
        for (id, object) in &truth {
            match object {
                Some(object) => {
                    self.note_put(object);
                    self.translator.apply(listed(object.clone()));
                    if self.concerns(id) {
                        self.known.put(object.clone());
                    }
                }
                None => self.spoil(id),
            }
        }
        truth.into_iter().map(|(id, _)| id).collect()
    }

    fn list(&mut self, kind: Kind) {
        let again = if self.known.listed.contains(&kind) {
            "again"
        } else {
            "first"
        };
        self.hit(format!("{} listed {again}", kind.name()));
        self.translator.apply(SourceEvent::Begin(kind));
        let shown = self.show(kind);
        let known = self.known.objects.keys().filter(|id| id.kind == kind);
        if known.clone().any(|id| !shown.contains(id)) {
            self.hit(format!("{} gone by a listing", kind.name()));
        }
        let coverage = covers(kind, self.coverage);
        self.translator.apply(SourceEvent::End { kind, coverage });
        self.known.end(kind, &shown);
    }

    fn fail(&mut self, kind: Kind, why: &str) {
        let before = if self.known.listed.contains(&kind) {
            "later"
        } else {
            "at first"
        };
        self.hit(format!("{} {why} {before}", kind.name()));
        let reason = format!("{why}: 403");
        self.translator.apply(SourceEvent::Failed {
            kind,
            reason: reason.clone(),
        });
        self.known.failed.insert(kind, reason);
    }

    fn answer(&mut self, which: usize, answer: Answer) {
        let wanted = self.translator.wanted_secrets();
        let Some(name) = wanted.iter().nth(which).cloned() else {
            return;
        };
        let before = self.known.asked.get(&name);
        let known = before.is_some_and(|asked| !asked.forms.is_empty());
        let (what, outcome) = match answer.clone() {
            Answer::Found(secret) => ("found", Fetch::Found(secret)),
            Answer::NotFound => ("not found", Fetch::NotFound),
            Answer::Failed => ("unreadable", Fetch::Failed(FORBIDDEN.to_owned())),
        };
        self.hit(format!("asked: {what}, {}", if known { "known" } else { "unknown" }));
        self.translator.apply(SourceEvent::Fetched {
            name: name.clone(),
            outcome,
        });
        self.known.answered(&name, answer);
    }

    fn unread(&mut self, kinds: BTreeSet<Kind>) {
        for kind in &kinds {
            self.hit(format!("{} unread", kind.name()));
        }
        self.translator.apply(unread(&kinds));
        self.known.unread = kinds;
    }

    fn problems(&mut self, count: u8) {
        self.hit("problems");
        let problem = |number| Diagnostic {
            object: ObjectRef {
                source: Kind::Service.group_kind(),
                namespace: String::new(),
                name: format!("f{number}"),
            },
            field: String::new(),
            severity: Severity::Warning,
            reason: "Duplicate".to_owned(),
            message: String::new(),
        };
        let problems: Vec<_> = (0..count).map(problem).collect();
        self.translator.apply(SourceEvent::Problems(problems.clone()));
        self.known.problems = problems;
    }

    fn stop_waiting(&mut self) {
        self.translator.stop_waiting();
        for kind in Kind::ALL {
            if !self.known.listed.contains(kind) && !self.known.failed.contains_key(kind) {
                let reason = "not listed within the time allowed at start-up".to_owned();
                self.known.failed.insert(*kind, reason);
                self.hit(format!("{} overdue", kind.name()));
            }
        }
    }

    pub(super) fn drain(&mut self) {
        let output = self.translator.drain();
        self.note_output(&output);
        self.held.take(output);
        // What nobody asks for any more is forgotten.
        let index = &self.translator.index;
        self.known.asked.retain(|name, _| index.is_secret_wanted(name));
    }

    fn note_output(&mut self, output: &crate::output::Output) {
        for key in &output.removals {
            self.hit(format!("-{}", key.kind));
        }
        for entry in &output.upserts {
            let new = !self.held.resources.contains_key(&entry.key);
            self.hit(format!("{}{}", if new { '+' } else { '~' }, entry.key.kind));
        }
        if output.groups.is_some() {
            self.hit("groups");
        }
    }

    /// A fresh agent that was told the same at once.
    pub(super) fn fresh(&self) -> (Translator, Held) {
        let mut fresh = Translator::new(self.translator.options.clone());
        let (events, answers) = self.known.told(self.coverage);
        let mut held = Held::default();
        events.into_iter().for_each(|event| fresh.apply(event));
        held.take(fresh.drain());
        answers.into_iter().for_each(|event| fresh.apply(event));
        let answered = self.translator.index.secrets.answered.iter().copied();
        fresh.index.secrets.answered.extend(answered);
        held.take(fresh.drain());
        (fresh, held)
    }
}
