//! The Admin API of an APISIX with etcd behind it.
//!
//! Concurrent within a stage; each object is checked before it is sent: its size, the plugins it names, the target's
//! own JSON schema. It has no fence: the Admin API cannot check one, so the token is only recorded.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use hubline::model::SecretText;
use tokio::time::Instant;

use self::answer::Answer;
use self::checks::Checks;
use self::client::Client;
use super::{
    FenceToken, Observed, Operation, OperationResult, Ownership, Presence, Sink, SinkError, TargetId, Written,
};
use crate::object::{Object, ObjectId, ObjectKind};

mod answer;
mod checks;
mod client;
mod listing;
mod proof;

/// Largest body that APISIX takes, in bytes (`reference/apisix.md`: a body over 1.5 MiB is refused).
pub const MAX_BODY_BYTES: usize = 3 << 19;

/// Where the API key comes from.
#[derive(Debug, Clone)]
pub enum ApiKey {
    /// The key itself.
    Value(SecretText),
    /// A file with the key, read again before each listing, so that a changed key needs no restart.
    File(PathBuf),
}

/// How to reach an Admin API.
#[derive(Debug, Clone)]
pub struct AdminOptions {
    /// The target's name.
    pub target: TargetId,
    /// Addresses of the same Admin API, as `https://10.0.0.1:9180`; the next one is tried when one cannot be reached.
    pub addresses: Vec<String>,
    /// Sent as `X-API-KEY`.
    pub key: ApiKey,
    /// PEM file of certificate authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// To open a connection.
    pub connect_timeout: Duration,
    /// For one write, probe or schema.
    pub timeout: Duration,
    /// For one listing of a collection.
    pub list_timeout: Duration,
    /// Writes at a time within a stage.
    pub connections: usize,
    /// Kinds that are listed and written; one that is not listed must never be desired.
    pub kinds: Vec<ObjectKind>,
}

impl AdminOptions {
    /// The defaults. 8 connections: `reference/apisix.md` measured no more writes with 32, and 260 a second with 8.
    /// 10 s a write: its slowest were at 1 s under load. A listing of 100,000 routes is some 100 MB.
    #[must_use]
    pub fn standard(target: TargetId, addresses: Vec<String>, key: ApiKey) -> Self {
        Self {
            target,
            addresses,
            key,
            ca_file: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            list_timeout: Duration::from_secs(120),
            connections: 8,
            kinds: ObjectKind::ALL.to_vec(),
        }
    }
}

/// Why there is no sink.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No address.
    #[error("target {0}: addresses is empty: it needs at least one, as \"http://127.0.0.1:9180\"")]
    NoAddress(TargetId),
    /// Not a URL of HTTP.
    #[error("target {target}: address {address:?} is not an http or https URL without path")]
    Address {
        /// The target.
        target: TargetId,
        /// What was given.
        address: String,
    },
    /// A file that cannot be read.
    #[error("target {target}: {what} {path:?} cannot be read: {source}")]
    File {
        /// The target.
        target: TargetId,
        /// Which file.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An API key that no header can carry.
    #[error("target {0}: the API key is empty or holds characters that an HTTP header cannot carry")]
    Key(TargetId),
    /// The HTTP client does not start, or a certificate authority is no PEM.
    #[error("target {target}: the HTTP client does not start: {source}")]
    Client {
        /// The target.
        target: TargetId,
        /// Why.
        source: reqwest::Error,
    },
}

/// Writes through the Admin API.
#[derive(Debug)]
pub struct AdminSink {
    options: AdminOptions,
    ownership: Ownership,
    client: Client,
    // A standard lock: it is held to copy an `Arc`, never over an await.
    checks: RwLock<Arc<Checks>>,
}

impl AdminSink {
    /// Connects to nothing yet. Reads the key and the certificate authorities.
    ///
    /// # Errors
    /// [`AdminError`] when an option cannot be used.
    pub fn new(options: AdminOptions, ownership: Ownership) -> Result<Self, AdminError> {
        let client = Client::new(&options)?;
        Ok(Self {
            options,
            ownership,
            client,
            checks: RwLock::default(),
        })
    }

    async fn apply_one(&self, operation: &Operation) -> OperationResult {
        let started = Instant::now();
        let answer = match operation {
            Operation::Put { object } => self.put(object).await,
            Operation::Delete { id, .. } => self.delete(id).await,
        };
        OperationResult {
            status: answer.status,
            result: answer.result,
            duration: started.elapsed(),
        }
    }

    async fn put(&self, object: &Object) -> Outcome {
        let body = match self.checked_body(object) {
            Ok(body) => body,
            Err(error) => {
                return Outcome {
                    status: None,
                    result: Err(error),
                };
            }
        };
        if proof::is_needed(object)
            && let Err(error) = self.prove(object).await
        {
            return Outcome {
                status: None,
                result: Err(error),
            };
        }
        let path = path_of(&object.id);
        let answer = self.client.put(&path, body, self.options.timeout).await;
        Outcome::of(answer, |answer| answer.of_put(object.id.kind))
    }

    fn checked_body(&self, object: &Object) -> Result<String, SinkError> {
        let text = object.body.expose();
        if text.len() > MAX_BODY_BYTES {
            return Err(SinkError::TooLarge {
                bytes: text.len(),
                limit: MAX_BODY_BYTES,
            });
        }
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        checks.body(object.id.kind, text)
    }

    async fn delete(&self, id: &ObjectId) -> Outcome {
        let answer = self.client.delete(&path_of(id), self.options.timeout).await;
        Outcome::of(answer, |answer| answer.of_delete())
    }

    async fn observe_kind(&self, kind: ObjectKind, observed: &mut Observed) -> Result<(), SinkError> {
        let path = format!("/apisix/admin/{}", kind.collection());
        let answer = self.client.get(&path, self.options.list_timeout).await?;
        if let Some(message) = answer.unsupported() {
            observed.unsupported.insert(kind, message);
            return Ok(());
        }
        let listed = listing::parse(kind, answer.of_get()?, self.ownership.clone()).await?;
        observed.objects.extend(listed.ours);
        observed.occupied.extend(listed.occupied);
        observed.foreign.insert(kind, listed.n_foreign);
        observed.foreign_split = observed.foreign_split.take().or(listed.foreign_split);
        Ok(())
    }
}

/// Status and result of one call.
struct Outcome {
    status: Option<u16>,
    result: Result<Written, SinkError>,
}

impl Outcome {
    fn of(answer: Result<Answer, SinkError>, read: impl FnOnce(&Answer) -> Result<Written, SinkError>) -> Self {
        match answer {
            Ok(answer) => Self {
                status: Some(answer.status),
                result: read(&answer),
            },
            Err(error) => Self {
                status: None,
                result: Err(error),
            },
        }
    }
}

fn path_of(id: &ObjectId) -> String {
    format!("/apisix/admin/{}/{}", id.kind.collection(), id.id)
}

#[async_trait]
impl Sink for AdminSink {
    fn target(&self) -> &TargetId {
        &self.options.target
    }

    async fn observe(&self) -> Result<Observed, SinkError> {
        self.client.reload(&self.options);
        let mut observed = Observed::default();
        for kind in self.options.kinds.iter().copied() {
            self.observe_kind(kind, &mut observed).await?;
        }
        let before = self.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        let checks = Checks::fetch(&self.client, &self.options, &before).await;
        *self.checks.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(checks);
        Ok(observed)
    }

    async fn probe(&self, marker: &ObjectId) -> Result<Presence, SinkError> {
        let answer = self.client.get(&path_of(marker), self.options.connect_timeout).await?;
        if answer.is_missing_key() {
            return Ok(Presence::Absent);
        }
        answer.of_get().map(|_| Presence::Present)
    }

    async fn apply(&self, _fence: FenceToken, stage: &[Operation]) -> Vec<OperationResult> {
        let calls = stage.iter().map(|operation| self.apply_one(operation).boxed());
        // Collected first: the compiler cannot see through a lazy borrow of `stage` here.
        let calls: Vec<BoxFuture<'_, OperationResult>> = calls.collect();
        let connections = self.options.connections.max(1);
        stream::iter(calls).buffered(connections).collect().await
    }
}

#[cfg(test)]
mod tests;
