//! What is really declared in each cluster: what users wrote, as its API server has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubline::model::ClusterId;
use hubline::wire::ContentHash;
use hubline_agent::source::{Kind, Name, Object, ObjectId, object};
use hubline_hub::object::{Object as Planned, ObjectId as PlannedId};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::lock;
use crate::oracle::{Doubt, Oracle};

/// How long agents may take to learn of what can be read again, over all faults of a run.
const LEARNED_WITHIN: Duration = Duration::from_secs(30);

/// One change of one object, as a watch tells it.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Apply(Object),
    Delete(ObjectId),
}

impl Change {
    pub(crate) fn id(&self) -> ObjectId {
        match self {
            Self::Apply(object) => object.id(),
            Self::Delete(id) => id.clone(),
        }
    }
}

/// The API servers of all clusters; cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Truth(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    servers: BTreeMap<ClusterId, Server>,
    oracle: Oracle,
    /// What was planned of all this, until something changes.
    wanted: Option<Arc<Plan>>,
}

/// Objects by their names, each with the hash that the target shows of it.
pub(crate) type Plan = BTreeMap<PlannedId, (Arc<Planned>, Option<ContentHash>)>;

#[derive(Debug)]
struct Server {
    objects: BTreeMap<ObjectId, Object>,
    changes: BTreeMap<Kind, Vec<Change>>,
    /// Kinds that may not be listed (403).
    forbidden: BTreeSet<Kind>,
    /// It answers nothing.
    down: bool,
    /// Objects that nobody can read.
    malformed: BTreeSet<ObjectId>,
    /// Objects of which an agent keeps an older version, since it could not read the one that came then; and when they
    /// could be read again.
    missed: BTreeMap<ObjectId, Option<Instant>>,
    /// Counts everything that watches may want to look at.
    version: watch::Sender<u64>,
}

impl Truth {
    pub(crate) fn new(clusters: &[ClusterId]) -> Self {
        let server = |cluster: &ClusterId| {
            let server = Server {
                objects: BTreeMap::new(),
                changes: BTreeMap::new(),
                forbidden: BTreeSet::new(),
                down: false,
                malformed: BTreeSet::new(),
                missed: BTreeMap::new(),
                version: watch::Sender::new(0),
            };
            (cluster.clone(), server)
        };
        Self(Arc::new(Mutex::new(State {
            servers: clusters.iter().map(server).collect(),
            oracle: Oracle::new(clusters),
            wanted: None,
        })))
    }

    /// A user writes.
    pub(crate) fn write(&self, cluster: &ClusterId, change: Change) {
        let mut state = lock(&self.0);
        state.oracle.learn(cluster, &change);
        state.wanted = None;
        state.server(cluster, |server| {
            let id = change.id();
            match &change {
                Change::Apply(object) => drop(server.objects.insert(id.clone(), object.clone())),
                Change::Delete(_) => drop(server.objects.remove(&id)),
            }
            server.changes.entry(id.kind).or_default().push(change);
        });
    }

    pub(crate) fn forbid(&self, cluster: &ClusterId, kind: Kind) {
        lock(&self.0).server(cluster, |server| {
            server.forbidden.insert(kind);
        });
    }

    /// An object cannot be read any more, or can again; watches are told of both as of a change.
    pub(crate) fn garble(&self, cluster: &ClusterId, id: &ObjectId, garbled: bool) {
        lock(&self.0).server(cluster, |server| {
            let changed = if garbled {
                server.malformed.insert(id.clone())
            } else {
                server.malformed.remove(id)
            };
            if let Some(until) = server.missed.get_mut(id) {
                *until = (!garbled).then(Instant::now);
            }
            if let Some(object) = server.objects.get(id).filter(|_| changed) {
                let change = Change::Apply(object.clone());
                server.changes.entry(id.kind).or_default().push(change);
            }
        });
    }

    /// A watch showed that it cannot be read, and had shown another version before.
    pub(crate) fn missed(&self, cluster: &ClusterId, id: &ObjectId) {
        if let Some(server) = lock(&self.0).servers.get_mut(cluster) {
            let until = (!server.malformed.contains(id)).then(Instant::now);
            server.missed.insert(id.clone(), until);
        }
    }

    pub(crate) fn is_garbled(&self, cluster: &ClusterId, id: &ObjectId) -> bool {
        lock(&self.0).servers[cluster].malformed.contains(id)
    }

    /// Everything can be read again.
    pub(crate) fn ungarble(&self, cluster: &ClusterId) {
        let garbled = lock(&self.0).servers[cluster].malformed.clone();
        for id in garbled {
            self.garble(cluster, &id, false);
        }
    }

    pub(crate) fn take_down(&self, cluster: &ClusterId) {
        lock(&self.0).server(cluster, |server| server.down = true);
    }

    /// It serves everything again.
    pub(crate) fn mend(&self, cluster: &ClusterId) {
        lock(&self.0).server(cluster, |server| {
            server.down = false;
            server.forbidden.clear();
        });
    }

    /// Why a kind cannot be listed or watched now.
    pub(crate) fn refusal(&self, cluster: &ClusterId, kind: Kind) -> Option<String> {
        let state = lock(&self.0);
        let server = &state.servers[cluster];
        if server.down {
            Some("connection refused".to_owned())
        } else if server.forbidden.contains(&kind) {
            Some(format!("403 Forbidden: {} is forbidden", kind.name()))
        } else {
            None
        }
    }

    /// All objects of a kind, and how many changes led to them.
    pub(crate) fn list(&self, cluster: &ClusterId, kind: Kind) -> (Vec<Object>, usize) {
        let state = lock(&self.0);
        let server = &state.servers[cluster];
        let objects = server.objects.values().filter(|object| object.id().kind == kind);
        (
            objects.cloned().collect(),
            server.changes.get(&kind).map_or(0, Vec::len),
        )
    }

    /// The change of a kind after so many others.
    pub(crate) fn change(&self, cluster: &ClusterId, kind: Kind, after: usize) -> Option<Change> {
        lock(&self.0).servers[cluster].changes.get(&kind)?.get(after).cloned()
    }

    pub(crate) fn get(&self, cluster: &ClusterId, id: &ObjectId) -> Option<Object> {
        lock(&self.0).servers[cluster].objects.get(id).cloned()
    }

    pub(crate) fn secret(&self, cluster: &ClusterId, name: &Name) -> Option<object::Secret> {
        let id = ObjectId {
            kind: Kind::Secret,
            name: name.clone(),
        };
        match self.get(cluster, &id)? {
            Object::Secret(_, secret) => Some(secret),
            _ => None,
        }
    }

    pub(crate) fn objects(&self, cluster: &ClusterId) -> Vec<Object> {
        lock(&self.0).servers[cluster].objects.values().cloned().collect()
    }

    /// Wakes with every change and every end of a fault.
    pub(crate) fn watch(&self, cluster: &ClusterId) -> watch::Receiver<u64> {
        lock(&self.0).servers[cluster].version.subscribe()
    }

    /// What APISIX shall have by all that is declared now, from nothing.
    pub(crate) fn wanted(&self) -> Arc<Plan> {
        let mut state = lock(&self.0);
        if let Some(wanted) = &state.wanted {
            return Arc::clone(wanted);
        }
        let clusters = state.servers.iter().map(|(cluster, server)| (cluster, &server.objects));
        let wanted = Arc::new(crate::oracle::from_nothing(clusters));
        state.wanted = Some(Arc::clone(&wanted));
        wanted
    }

    /// Asks the oracle about the past.
    pub(crate) fn doubt(&self, object: &PlannedId) -> Doubt {
        let state = lock(&self.0);
        let doubt = state.oracle.doubt(object);
        if doubt.unwanted || doubt.contested {
            doubt
        } else {
            state.as_agents_may_know(object, doubt)
        }
    }

    /// The target took this content of an object.
    pub(crate) fn written(&self, object: &Planned) {
        lock(&self.0).oracle.written(object);
    }
}

impl State {
    /// Of an object that was written while nobody could read it agents keep what they read before, which may have asked
    /// for less.
    fn as_agents_may_know(&self, object: &PlannedId, doubt: Doubt) -> Doubt {
        if self.servers.values().all(|server| server.unseen().next().is_none()) {
            return doubt;
        }
        let seen = |(cluster, server): (&ClusterId, &Server)| {
            let unseen: BTreeSet<&ObjectId> = server.unseen().collect();
            let objects = server.objects.iter().filter(|(id, _)| !unseen.contains(id));
            let objects: BTreeMap<_, _> = objects.map(|(id, object)| (id.clone(), object.clone())).collect();
            (cluster.clone(), objects)
        };
        let seen: Vec<_> = self.servers.iter().map(seen).collect();
        let wanted = crate::oracle::from_nothing(seen.iter().map(|(cluster, objects)| (cluster, objects)));
        let body = wanted.get(object).map(|(object, _)| crate::oracle::body(object));
        Doubt {
            unwanted: body.is_none(),
            emptied: doubt.emptied || body.is_none_or(|body| crate::oracle::is_empty(&body)),
            ..doubt
        }
    }

    fn server(&mut self, cluster: &ClusterId, change: impl FnOnce(&mut Server)) {
        if let Some(server) = self.servers.get_mut(cluster) {
            change(server);
            server.version.send_modify(|version| *version += 1);
        }
    }
}

impl Server {
    /// What agents may know an old version of.
    fn unseen(&self) -> impl Iterator<Item = &ObjectId> {
        let lately = |until: &Option<Instant>| until.is_none_or(|until| until.elapsed() < LEARNED_WITHIN);
        let unseen = self.missed.iter().filter(move |(_, until)| lately(until));
        unseen.map(|(id, _)| id)
    }
}
