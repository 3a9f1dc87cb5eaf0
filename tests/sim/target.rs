//! One APISIX: its objects, its rules, its weather, and strangers who write to it too.
//!
//! It refuses what the Admin API refuses (references that are missing, objects in use), shows what it stores with fields
//! of its own, and holds each write against the promises ([`crate::promises`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubline_hub::object::{ObjectId, ObjectKind};
use hubline_hub::sink::{Observed, Operation, Presence, Seen, SinkError, Written};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::client::Client;
use crate::hub::ownership;
use crate::life::Life;
use crate::lock;
use crate::log::Log;
use crate::promises::Promises;
use crate::truth::Truth;

pub(crate) type Body = Map<String, Value>;

/// Cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Target(Arc<Mutex<State>>);

/// How it answers now.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Connections are refused.
    pub(crate) down: bool,
    /// Connections hang.
    pub(crate) hangs: bool,
    /// So many of a hundred calls are answered 503.
    pub(crate) busy: u64,
    /// So many of a hundred writes are done and never answered.
    pub(crate) mute: u64,
    /// Milliseconds that a call may take.
    pub(crate) slow: u64,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<ObjectId, Body>,
    /// What a listing shows of an object, made when it was written.
    seen: BTreeMap<ObjectId, Seen>,
    /// What strangers made, as they made it.
    pub(crate) foreign: BTreeMap<ObjectId, Body>,
    pub(crate) weather: Weather,
    /// Objects whose content is refused.
    pub(crate) poisoned: BTreeSet<ObjectId>,
    pub(crate) chance: Chance,
    pub(crate) promises: Promises,
    log: Log,
    /// Calls that ask for a change.
    writes: u64,
    /// What was changed since the last [`Target::mark`].
    pub(crate) changed: BTreeSet<ObjectId>,
    strangers: u64,
}

impl Target {
    pub(crate) fn new(truth: Truth, chance: Chance, log: Log) -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            seen: BTreeMap::new(),
            foreign: BTreeMap::new(),
            weather: calm(),
            poisoned: BTreeSet::new(),
            chance,
            promises: Promises::new(truth, log.clone()),
            log,
            writes: 0,
            changed: BTreeSet::new(),
            strangers: 0,
        })))
    }

    /// The way of one run of the hub to it.
    pub(crate) fn client(&self, life: &Life) -> Client {
        self.with(|state| state.promises.surprised());
        Client::new(self.clone(), life.clone())
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.0))
    }

    /// How many writes were asked for.
    pub(crate) fn writes(&self) -> u64 {
        self.with(|state| state.writes)
    }

    pub(crate) fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        self.with(|state| change(&mut state.weather));
    }

    /// From now on what changes is noted anew.
    pub(crate) fn mark(&self) {
        self.with(|state| state.changed.clear());
    }

    /// It restarts with nothing, strangers' objects gone too.
    pub(crate) fn lose_memory(&self) {
        self.with(|state| {
            state.objects.clear();
            state.seen.clear();
            state.foreign.clear();
            state.promises.forgotten();
        });
    }

    /// Fair weather, nothing refused, nothing of strangers that stands in the way.
    pub(crate) fn mend(&self, keeps_poison: bool) {
        self.with(|state| {
            state.weather = calm();
            if keeps_poison {
                state.poisoned.retain(|id| id.kind == ObjectKind::Route);
            } else {
                state.poisoned.clear();
            }
            let in_the_way: Vec<ObjectId> = state
                .foreign
                .iter()
                .filter(|(_, body)| names_ours(body))
                .map(|it| it.0.clone())
                .collect();
            for id in in_the_way {
                state.stranger_deletes(&id);
            }
        });
    }

    /// A stranger does something.
    pub(crate) fn stranger(&self) -> String {
        self.with(State::stranger)
    }

    /// Refuses one of the objects that are there, whatever its content.
    pub(crate) fn poison(&self) -> Option<ObjectId> {
        self.with(|state| {
            let ours: Vec<ObjectId> = state.ours().collect();
            if ours.is_empty() {
                return None;
            }
            let id = state.chance.pick(&ours).clone();
            state.poisoned.insert(id.clone());
            Some(id)
        })
    }
}

fn calm() -> Weather {
    Weather {
        slow: 20,
        ..Weather::default()
    }
}

pub(crate) fn owned(id: &ObjectId, body: &Body) -> bool {
    let label = |name: &str| {
        body.get("labels")
            .and_then(|labels| labels.get(name))
            .and_then(Value::as_str)
    };
    ownership().owns(id, label("managed-by"), label("hub"))
}

/// What a body refers to.
pub(crate) fn references(body: &Body) -> Vec<ObjectId> {
    let named = |field: &str, kind| {
        let id = body.get(field).and_then(Value::as_str)?;
        Some(ObjectId { kind, id: id.into() })
    };
    let upstream = named("upstream_id", ObjectKind::Upstream);
    let service = named("service_id", ObjectKind::Service);
    let plugins = named("plugin_config_id", ObjectKind::PluginConfig);
    upstream.into_iter().chain(service).chain(plugins).collect()
}

fn names_ours(body: &Body) -> bool {
    references(body).iter().any(|id| ownership().has_our_id(&id.id))
}

impl State {
    pub(crate) fn ours(&self) -> impl Iterator<Item = ObjectId> {
        let marker = ownership().marker().id.clone();
        let ours = self.objects.iter().filter(|(id, body)| owned(id, body));
        ours.map(|(id, _)| id.clone()).filter(move |id| *id != marker)
    }

    pub(crate) fn referrer(&self, id: &ObjectId) -> Option<&ObjectId> {
        let mut objects = self.objects.iter();
        objects
            .find(|(_, body)| references(body).contains(id))
            .map(|(referrer, _)| referrer)
    }

    /// How long one way of a call takes.
    pub(crate) fn latency(&mut self) -> Duration {
        let slow = self.weather.slow;
        self.chance.millis(0..=slow)
    }

    pub(crate) fn count_write(&mut self) {
        self.writes += 1;
        self.log.count("writes");
    }

    /// Does what is asked for, if the rules allow it. `knows` is whether the one who asks will hear the answer.
    pub(crate) fn perform(&mut self, operation: &Operation, knows: bool) -> Result<Written, SinkError> {
        let busy = self.weather.busy;
        if self.chance.percent(busy) {
            self.log
                .say(format_args!("target 503 {} {}", operation.label(), operation.id()));
            return Err(SinkError::Busy { status: 503 });
        }
        let result = match operation {
            Operation::Put { object } => self.put(object),
            Operation::Delete { id, .. } => self.delete(id),
        };
        let said = result
            .as_ref()
            .map_or_else(|error| error.to_string(), |_| "ok".to_owned());
        let unheard = if knows { "" } else { ", unheard" };
        self.log.say(format_args!(
            "target {} {}: {said}{unheard}",
            operation.label(),
            operation.id()
        ));
        if !knows {
            self.promises.surprised();
        }
        result
    }

    fn put(&mut self, object: &hubline_hub::object::Object) -> Result<Written, SinkError> {
        let id = &object.id;
        let mut body = crate::oracle::body(object);
        self.promises.on_put(object, self.objects.get(id), &body);
        if let Some(missing) = references(&body).into_iter().find(|it| !self.objects.contains_key(it)) {
            self.promises.dangling(format_args!("put {id} before {missing}"));
            let message = missing.to_string();
            return Err(SinkError::MissingReference { message });
        }
        if self.poisoned.contains(id) {
            let message = "poisoned".to_owned();
            return Err(SinkError::Refused { status: 400, message });
        }
        body.insert("create_time".to_owned(), json!(1));
        self.store(id, Some(body));
        self.promises.written(object);
        let stored = self.seen.get(id).and_then(|seen| seen.shown);
        Ok(Written { stored })
    }

    fn delete(&mut self, id: &ObjectId) -> Result<Written, SinkError> {
        let Some(body) = self.objects.get(id) else {
            return Ok(Written::default());
        };
        self.promises.on_delete(id, body);
        if let Some(referrer) = self.referrer(id).cloned() {
            if !self.foreign.contains_key(&referrer) {
                self.promises.dangling(format_args!("delete {id} before {referrer}"));
            }
            let message = referrer.to_string();
            return Err(SinkError::InUse { message });
        }
        self.store(id, None);
        Ok(Written::default())
    }

    /// Changes an object, and notes what nobody refers to any more.
    fn store(&mut self, id: &ObjectId, body: Option<Body>) {
        self.changed.insert(id.clone());
        let before = match body {
            Some(body) => {
                self.seen.insert(id.clone(), Seen::listed(id.kind, &body));
                self.objects.insert(id.clone(), body)
            }
            None => {
                self.seen.remove(id);
                self.objects.remove(id)
            }
        };
        for reference in before.iter().flat_map(references) {
            if self.referrer(&reference).is_none() {
                self.promises.unreferred(&reference);
            }
        }
    }

    pub(crate) fn observe(&self, kind: ObjectKind, observed: &mut Observed) {
        for (id, body) in self.objects.iter().filter(|(id, _)| id.kind == kind) {
            if owned(id, body) {
                observed.objects.insert(id.clone(), self.seen[id].clone());
                continue;
            }
            *observed.foreign.entry(kind).or_default() += 1;
            if ownership().has_our_id(&id.id) {
                observed.occupied.insert(id.clone());
            }
        }
    }

    pub(crate) fn presence(&self, marker: &ObjectId) -> Presence {
        if self.objects.contains_key(marker) {
            Presence::Present
        } else {
            Presence::Absent
        }
    }

    fn stranger(&mut self) -> String {
        let ours: Vec<ObjectId> = self.ours().collect();
        let upstreams: Vec<ObjectId> = ours
            .iter()
            .filter(|id| id.kind == ObjectKind::Upstream)
            .cloned()
            .collect();
        match self.chance.below(5) {
            0 if !upstreams.is_empty() => {
                let upstream = self.chance.pick(&upstreams).id.to_string();
                self.stranger_writes(ObjectKind::Route, &json!({"uri": "/theirs", "upstream_id": upstream}))
            }
            1 if !ours.is_empty() => {
                let id = self.chance.pick(&ours).clone();
                self.stranger_spoils(&id)
            }
            2 if !self.foreign.is_empty() => {
                let ids: Vec<ObjectId> = self.foreign.keys().cloned().collect();
                let id = self.chance.pick(&ids).clone();
                self.stranger_deletes(&id)
            }
            3 if !ours.is_empty() => {
                // Under an id as ours are, and not ours by its labels.
                let like = self.chance.pick(&ours).clone();
                self.stranger_writes_like(&like)
            }
            _ => self.stranger_writes(ObjectKind::Upstream, &json!({"nodes": {"192.0.2.1:80": 1}})),
        }
    }

    fn stranger_writes(&mut self, kind: ObjectKind, body: &Value) -> String {
        self.strangers += 1;
        let id = ObjectId {
            kind,
            id: format!("theirs-{}", self.strangers).into(),
        };
        let body = body.as_object().cloned().unwrap_or_default();
        self.foreign.insert(id.clone(), body.clone());
        self.objects.insert(id.clone(), body);
        format!("writes {id}")
    }

    fn stranger_writes_like(&mut self, ours: &ObjectId) -> String {
        self.strangers += 1;
        let (cluster, _) = ours.id.rsplit_once('-').unwrap_or_default();
        let id = ObjectId {
            kind: ObjectKind::Upstream,
            id: format!("{cluster}-theirs{}", self.strangers).into(),
        };
        let body = Body::from_iter([("nodes".to_owned(), json!({"192.0.2.2:80": 1}))]);
        self.foreign.insert(id.clone(), body.clone());
        self.objects.insert(id.clone(), body);
        format!("writes {id}")
    }

    /// Changes or deletes one of ours.
    fn stranger_spoils(&mut self, id: &ObjectId) -> String {
        self.promises.surprised();
        if self.chance.percent(50) && self.referrer(id).is_none() {
            self.seen.remove(id);
            if let Some(body) = self.objects.remove(id) {
                for reference in references(&body) {
                    self.promises.excused(&reference);
                }
            }
            return format!("deletes {id}");
        }
        if let Some(body) = self.objects.get_mut(id) {
            body.insert("desc".to_owned(), json!("spoiled"));
            self.seen.insert(id.clone(), Seen::listed(id.kind, body));
        }
        format!("spoils {id}")
    }

    fn stranger_deletes(&mut self, id: &ObjectId) -> String {
        if self.referrer(id).is_none() {
            self.foreign.remove(id);
            let body = self.objects.remove(id);
            for reference in body.iter().flat_map(references) {
                self.promises.excused(&reference);
            }
        }
        format!("deletes {id}")
    }

    /// What strangers made and somebody else changed.
    pub(crate) fn touched_foreign(&self) -> Vec<ObjectId> {
        let touched = self
            .foreign
            .iter()
            .filter(|(id, body)| self.objects.get(id) != Some(body));
        touched.map(|(id, _)| id.clone()).collect()
    }

    /// The objects of ours, without the marker, as they compare with wanted ones.
    pub(crate) fn shown(&self) -> BTreeMap<ObjectId, Option<hubline::wire::ContentHash>> {
        let shown = |id: ObjectId| {
            let shown = self.seen.get(&id).and_then(|seen| seen.shown);
            (id, shown)
        };
        self.ours().map(shown).collect()
    }

    pub(crate) fn observed_from(&mut self, began: Instant) {
        self.promises.observed_from(began);
    }
}
