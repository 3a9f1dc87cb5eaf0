//! A target in memory that checks references as the Admin API does, and can fail on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use crate::object::{Object, ObjectId};
use crate::sink::actual::Content;
use crate::sink::{
    FenceToken, Observed, Operation, OperationResult, Ownership, Presence, Seen, Sink, SinkError, TargetId, Written,
};

/// One write as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) at: Instant,
    pub(crate) operation: &'static str,
    pub(crate) id: String,
    pub(crate) fence: FenceToken,
    pub(crate) ok: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<ObjectId, Arc<Object>>,
    pub(crate) writes: Vec<Write>,
    /// Ids whose puts are refused while their body holds this text.
    pub(crate) poison: BTreeMap<String, String>,
    pub(crate) unreachable: bool,
    pub(crate) busy: BTreeSet<String>,
    pub(crate) n_observations: usize,
    /// How long each write takes.
    pub(crate) latency: Duration,
    /// Adds a field to what is shown, as old versions of APISIX do.
    pub(crate) adds_defaults: bool,
    /// Shows references in listings and denies them when a route names them.
    pub(crate) forgetful: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct FakeSink {
    target: TargetId,
    state: Mutex<State>,
}

impl FakeSink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            target: TargetId("fake".into()),
            state: Mutex::default(),
        })
    }

    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    /// Writes since the last call, without the marker's: `put upstreams/hl-ca`.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let writes = self.with(|state| std::mem::take(&mut state.writes));
        let writes = writes.into_iter().filter(|write| !write.id.contains("-marker-"));
        writes
            .map(|write| {
                format!(
                    "{} {}{}",
                    write.operation,
                    write.id,
                    if write.ok { "" } else { " refused" }
                )
            })
            .collect()
    }

    /// Ids at the target, without the marker's.
    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.with(|state| state.objects.keys().map(ToString::to_string).collect::<Vec<_>>());
        ids.into_iter().filter(|id| !id.contains("-marker-")).collect()
    }
}

impl State {
    fn apply(&mut self, operation: &Operation) -> Result<Written, SinkError> {
        let name = operation.id().to_string();
        if self.unreachable {
            return Err(SinkError::Unreachable {
                message: "cut".to_owned(),
            });
        }
        if self.busy.contains(&name) {
            return Err(SinkError::Busy { status: 503 });
        }
        match operation {
            Operation::Put { object } => self.put(object),
            Operation::Delete { id, .. } => self.delete(id),
        }
    }

    fn put(&mut self, object: &Arc<Object>) -> Result<Written, SinkError> {
        if let Some(missing) = object
            .references
            .iter()
            .find(|id| self.forgetful || !self.objects.contains_key(id))
        {
            return Err(SinkError::MissingReference {
                message: missing.to_string(),
            });
        }
        let poison = self.poison.get(&object.id.to_string());
        if poison.is_some_and(|text| object.body.expose().contains(text)) {
            return Err(SinkError::Refused {
                status: 400,
                message: "poison".to_owned(),
            });
        }
        self.objects.insert(object.id.clone(), object.clone());
        Ok(Written {
            stored: self.shown(object).shown,
        })
    }

    fn delete(&mut self, id: &ObjectId) -> Result<Written, SinkError> {
        if let Some(user) = self.objects.values().find(|object| object.references.contains(id)) {
            return Err(SinkError::InUse {
                message: user.id.to_string(),
            });
        }
        self.objects.remove(id);
        Ok(Written::default())
    }

    fn shown(&self, object: &Object) -> Seen {
        let mut body: Map<String, Value> = serde_json::from_str(object.body.expose()).unwrap();
        body.insert("create_time".to_owned(), Value::from(1));
        if self.adds_defaults {
            body.insert("status".to_owned(), Value::from(1));
        }
        let mut seen = Seen::listed(object.id.kind, &body);
        if let Content::Listed(listed) = &mut seen.content {
            listed.references = object.references.to_vec();
        }
        seen
    }

    fn observe(&mut self) -> Observed {
        let ownership = ownership();
        let mut observed = Observed::default();
        self.n_observations += 1;
        for (id, object) in &self.objects {
            let body: Map<String, Value> = serde_json::from_str(object.body.expose()).unwrap();
            let label = |name| crate::sink::ownership::label(&body, name);
            if ownership.owns(id, label("managed-by"), label("hub")) {
                observed.objects.insert(id.clone(), self.shown(object));
            } else {
                *observed.foreign.entry(id.kind).or_default() += 1;
                if ownership.has_our_id(&id.id) {
                    observed.occupied.insert(id.clone());
                }
            }
        }
        observed
    }
}

/// The hub of tests.
pub(crate) fn ownership() -> Ownership {
    Ownership {
        prefix: "hl".to_owned(),
        hub: "main".to_owned(),
    }
}

#[async_trait]
impl Sink for FakeSink {
    fn target(&self) -> &TargetId {
        &self.target
    }

    async fn observe(&self) -> Result<Observed, SinkError> {
        self.with(|state| {
            let cut = || SinkError::Unreachable {
                message: "cut".to_owned(),
            };
            if state.unreachable {
                Err(cut())
            } else {
                Ok(state.observe())
            }
        })
    }

    async fn probe(&self, marker: &ObjectId) -> Result<Presence, SinkError> {
        self.with(|state| match state.objects.contains_key(marker) {
            _ if state.unreachable => Err(SinkError::Unreachable {
                message: "cut".to_owned(),
            }),
            true => Ok(Presence::Present),
            false => Ok(Presence::Absent),
        })
    }

    async fn apply(&self, fence: FenceToken, stage: &[Operation]) -> Vec<OperationResult> {
        let mut results = Vec::new();
        for operation in stage {
            sleep(self.with(|state| state.latency)).await;
            let result = self.with(|state| {
                let result = state.apply(operation);
                state.writes.push(Write {
                    at: Instant::now(),
                    operation: operation.label(),
                    id: operation.id().to_string(),
                    fence,
                    ok: result.is_ok(),
                });
                result
            });
            let status = result.is_ok().then_some(200);
            results.push(OperationResult {
                result,
                status,
                duration: Duration::ZERO,
            });
        }
        results
    }
}
