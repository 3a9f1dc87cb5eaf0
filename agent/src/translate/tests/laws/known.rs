//! What is to be remembered of a history, in plain maps that have no notion of what is dirty: whoever is told all of it
//! at once knows the same.

use std::collections::{BTreeMap, BTreeSet};

use super::unread;
use super::world::Answer;
use crate::source::object::Secret;
use crate::source::{Coverage, Fetch, Kind, Name, Object, ObjectId, SourceEvent};
use hubline::model::Diagnostic;
use hubline::tls::check_pair;

/// What is to be remembered of one object: its last good form (of a Secret: the last with a good pair), then the form
/// that it has now where that is another.
pub(super) type Forms = Vec<Object>;

/// What is to be remembered of a Secret that was asked for by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) forms: Vec<Secret>,
    /// The last answer, where it brought none: none when the Secret does not exist.
    missing: Option<Option<String>>,
}

/// What is to be remembered of a history.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) objects: BTreeMap<ObjectId, Forms>,
    pub(super) broken: BTreeSet<ObjectId>,
    pub(super) never_read: BTreeSet<ObjectId>,
    pub(super) listed: BTreeSet<Kind>,
    pub(super) failed: BTreeMap<Kind, String>,
    pub(super) asked: BTreeMap<Name, Asked>,
    pub(super) unread: BTreeSet<Kind>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) version: Option<String>,
}

fn is_good(secret: &Secret) -> bool {
    let pair = secret.chain.as_deref().zip(secret.private_key.as_ref());
    pair.is_some_and(|(chain, key)| check_pair(chain, key).is_ok())
}

fn take_form(forms: &mut Vec<Secret>, secret: Secret) {
    if is_good(&secret) {
        forms.clear();
    } else {
        forms.retain(is_good);
    }
    forms.push(secret);
}

impl Known {
    pub(super) fn put(&mut self, object: Object) {
        let id = object.id();
        self.broken.remove(&id);
        self.never_read.remove(&id);
        let Object::Secret(name, secret) = object else {
            self.objects.insert(id, vec![object]);
            return;
        };
        let before = match self.asked.remove(&name) {
            Some(asked) if !self.objects.contains_key(&id) => asked.forms,
            Some(_) | None => self.objects.remove(&id).map_or_else(Vec::new, secrets),
        };
        let mut forms = before;
        take_form(&mut forms, secret);
        let forms = forms.into_iter().map(|secret| Object::Secret(name.clone(), secret));
        self.objects.insert(id, forms.collect());
    }

    pub(super) fn delete(&mut self, id: &ObjectId) {
        self.broken.remove(id);
        self.never_read.remove(id);
        let known = self.objects.remove(id).is_some();
        if id.kind == Kind::Secret && known {
            self.asked.remove(&id.name);
        }
    }

    pub(super) fn spoil(&mut self, id: ObjectId) {
        if !self.listed.contains(&id.kind) && !self.objects.contains_key(&id) {
            self.never_read.insert(id.clone());
        }
        self.broken.insert(id);
    }

    pub(super) fn end(&mut self, kind: Kind, shown: &BTreeSet<ObjectId>) {
        let gone = |id: &&ObjectId| id.kind == kind && !shown.contains(*id);
        let gone: Vec<ObjectId> = self.objects.keys().chain(&self.broken).filter(gone).cloned().collect();
        gone.iter().for_each(|id| self.delete(id));
        self.listed.insert(kind);
        self.failed.remove(&kind);
    }

    pub(super) fn answered(&mut self, name: &Name, answer: Answer) {
        let asked = self.asked.entry(name.clone()).or_default();
        match answer {
            Answer::Found(secret) => {
                asked.missing = None;
                take_form(&mut asked.forms, secret);
            }
            Answer::NotFound => {
                *asked = Asked {
                    missing: Some(None),
                    ..Asked::default()
                }
            }
            Answer::Failed => asked.missing = Some(Some(FORBIDDEN.to_owned())),
        }
    }

    /// What a fresh agent is told so that it knows the same; answers to requests come after what asks for them.
    pub(super) fn told(&self, coverage: Coverage) -> (Vec<SourceEvent>, Vec<SourceEvent>) {
        let mut events = vec![unread(&self.unread), SourceEvent::Problems(self.problems.clone())];
        events.extend(self.version.clone().map(SourceEvent::Version));
        for kind in Kind::ALL.iter().copied() {
            self.tell_kind(kind, coverage, &mut events);
        }
        let answers = self.asked.iter().flat_map(|(name, asked)| {
            let forms = asked.forms.iter().cloned().map(Fetch::Found);
            let missing = asked.missing.iter().cloned();
            let missing = missing.map(|reason| reason.map_or(Fetch::NotFound, Fetch::Failed));
            forms.chain(missing).map(|outcome| SourceEvent::Fetched {
                name: name.clone(),
                outcome,
            })
        });
        (events, answers.collect())
    }

    fn tell_kind(&self, kind: Kind, coverage: Coverage, events: &mut Vec<SourceEvent>) {
        let is_listed = self.listed.contains(&kind);
        let (never, later): (Vec<_>, Vec<_>) = self
            .broken
            .iter()
            .filter(|id| id.kind == kind)
            .cloned()
            .partition(|id| self.never_read.contains(id));
        if is_listed {
            events.push(SourceEvent::Begin(kind));
        }
        events.extend(never.into_iter().map(malformed));
        let forms = self.objects.iter().filter(|(id, _)| id.kind == kind);
        events.extend(forms.flat_map(|(_, forms)| forms).cloned().map(listed));
        if is_listed {
            events.push(SourceEvent::End {
                kind,
                coverage: covers(kind, coverage),
            });
        }
        events.extend(later.into_iter().map(malformed));
        if let Some(reason) = self.failed.get(&kind).cloned() {
            events.push(SourceEvent::Failed { kind, reason });
        }
    }
}

pub(super) const FORBIDDEN: &str = "403 forbidden";

fn secrets(forms: Forms) -> Vec<Secret> {
    let secret = |object| match object {
        Object::Secret(_, secret) => Some(secret),
        _ => None,
    };
    forms.into_iter().filter_map(secret).collect()
}

pub(super) fn covers(kind: Kind, secrets: Coverage) -> Coverage {
    if kind == Kind::Secret { secrets } else { Coverage::All }
}

pub(super) fn listed(object: Object) -> SourceEvent {
    SourceEvent::Listed(Box::new(object))
}

pub(super) fn malformed(id: ObjectId) -> SourceEvent {
    let reason = "expected a map".to_owned();
    SourceEvent::Malformed { id, reason }
}
