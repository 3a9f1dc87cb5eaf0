//! What is known of every object that has a status, and which of them are to be looked at again.
//!
//! One writer (the stage); whoever writes statuses reads. Bounded by the objects: what is dirty is a set of names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hubline::model::{Diagnostic, Key, ObjectRef};
use tokio::sync::Notify;

use crate::few::Few;
use crate::output::{Declared, Standing};
use crate::source::{Kind, ObjectId, Reported};

/// See the module. Cloning shares.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<ObjectId, Entry>,
    /// Who depends on resources of other objects.
    users: BTreeMap<Key, Few<ObjectId, ()>>,
    /// Only of objects with something wrong.
    diagnostics: BTreeMap<ObjectRef, Arc<[Diagnostic]>>,
    dirty: BTreeSet<ObjectId>,
}

#[derive(Debug, Default)]
struct Entry {
    reported: Option<Arc<Reported>>,
    declared: Option<Arc<Declared>>,
}

/// What is known of one object.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What its own status says.
    pub reported: Arc<Reported>,
    /// What was made of it.
    pub declared: Arc<Declared>,
    /// What is wrong with it.
    pub diagnostics: Option<Arc<[Diagnostic]>>,
}

impl Ledger {
    /// The status that an object has, or that it is gone.
    pub fn report(&self, id: &ObjectId, reported: Option<Reported>) {
        let mut inner = self.lock();
        match reported {
            Some(reported) => inner.entry(id).reported = Some(Arc::new(reported)),
            None => inner.forget(id),
        }
        self.touch(inner, [id.clone()]);
    }

    /// The status that a write has left, where nothing newer is known than what the write was based on.
    pub fn wrote(&self, id: &ObjectId, based_on: &str, reported: Reported) {
        let mut inner = self.lock();
        if let Some(entry) = inner.objects.get_mut(id)
            && entry.reported.as_ref().is_some_and(|known| *known.version == *based_on)
        {
            entry.reported = Some(Arc::new(reported));
        }
    }

    /// What was made of objects now.
    pub fn declare(&self, declared: Vec<(ObjectId, Option<Arc<Declared>>)>) {
        if declared.is_empty() {
            return;
        }
        let mut inner = self.lock();
        let mut touched = Vec::with_capacity(declared.len());
        for (id, declared) in declared {
            inner.declare(&id, declared);
            touched.push(id);
        }
        self.touch(inner, touched);
    }

    /// Everything that is wrong now, sorted by object.
    pub fn diagnose(&self, all: Vec<Diagnostic>) {
        let mut inner = self.lock();
        let mut now: BTreeMap<ObjectRef, Vec<Diagnostic>> = BTreeMap::new();
        for diagnostic in all {
            now.entry(diagnostic.object.clone()).or_default().push(diagnostic);
        }
        let now: BTreeMap<_, Arc<[_]>> = now.into_iter().map(|(object, all)| (object, all.into())).collect();
        let before = std::mem::replace(&mut inner.diagnostics, now);
        let named = before.keys().chain(inner.diagnostics.keys());
        let differs = |object: &&ObjectRef| before.get(object) != inner.diagnostics.get(object);
        let touched: BTreeSet<ObjectId> = named.filter(differs).filter_map(object_id).collect();
        self.touch(inner, touched);
    }

    /// A kind was listed anew: forgets its objects that are not `known` any more.
    pub fn listed(&self, kind: Kind, known: impl Fn(&ObjectId) -> bool) {
        let mut inner = self.lock();
        let of_kind = inner.objects.keys().filter(|id| id.kind == kind);
        let gone: Vec<ObjectId> = of_kind.filter(|id| !known(id)).cloned().collect();
        for id in gone {
            inner.forget(&id);
        }
    }

    /// The objects that a resource belongs to, and those that depend on it.
    #[must_use]
    pub fn users(&self, key: &Key) -> Vec<ObjectId> {
        let inner = self.lock();
        let users = inner.users.get(key).into_iter().flat_map(Few::keys).cloned();
        users
            .chain(owner(key).filter(|id| inner.objects.contains_key(id)))
            .collect()
    }

    /// What is known of an object; none when that is not enough to say anything.
    #[must_use]
    pub fn facts(&self, id: &ObjectId) -> Option<Facts> {
        let inner = self.lock();
        let entry = inner.objects.get(id)?;
        let declared = entry.declared.clone()?;
        Some(Facts {
            reported: entry.reported.clone()?,
            diagnostics: match declared.standing {
                Standing::Ours => inner.diagnostics.get(&id.reference()).cloned(),
                Standing::Foreign | Standing::Unknown => None,
            },
            declared,
        })
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<ObjectId> {
        self.lock().objects.keys().cloned().collect()
    }

    /// Waits until there is something to look at again, and takes it.
    pub async fn dirty(&self) -> BTreeSet<ObjectId> {
        loop {
            let changed = self.0.changed.notified();
            let dirty = std::mem::take(&mut self.lock().dirty);
            if !dirty.is_empty() {
                return dirty;
            }
            changed.await;
        }
    }

    fn touch(&self, mut inner: MutexGuard<'_, Inner>, objects: impl IntoIterator<Item = ObjectId>) {
        let before = inner.dirty.len();
        inner.dirty.extend(objects);
        let more = inner.dirty.len() > before;
        drop(inner);
        if more {
            self.0.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn entry(&mut self, id: &ObjectId) -> &mut Entry {
        self.objects.entry(id.clone()).or_default()
    }

    fn declare(&mut self, id: &ObjectId, declared: Option<Arc<Declared>>) {
        let before = self.objects.get_mut(id).and_then(|entry| entry.declared.take());
        for key in before.iter().flat_map(|before| &before.keys) {
            self.unlink(key, id);
        }
        let Some(declared) = declared else {
            return;
        };
        for key in declared.keys.iter().filter(|key| owner(key).as_ref() != Some(id)) {
            self.users.entry(key.clone()).or_default().insert(id.clone(), ());
        }
        self.entry(id).declared = Some(declared);
    }

    fn forget(&mut self, id: &ObjectId) {
        self.declare(id, None);
        self.objects.remove(id);
    }

    fn unlink(&mut self, key: &Key, id: &ObjectId) {
        if let Some(users) = self.users.get_mut(key) {
            users.remove(id);
            if users.is_empty() {
                self.users.remove(key);
            }
        }
    }
}

/// The object that a resource was made from, where its kind is watched.
fn owner(key: &Key) -> Option<ObjectId> {
    named(&key.source.group, &key.source.kind, &key.namespace, &key.name)
}

fn object_id(object: &ObjectRef) -> Option<ObjectId> {
    named(
        &object.source.group,
        &object.source.kind,
        &object.namespace,
        &object.name,
    )
}

fn named(group: &str, kind: &str, namespace: &str, name: &str) -> Option<ObjectId> {
    let same = |it: &&Kind| it.group() == group && it.name() == kind;
    let kind = Kind::ALL.iter().find(same).copied()?;
    let name = crate::source::Name::new(namespace, name);
    Some(ObjectId { kind, name })
}
