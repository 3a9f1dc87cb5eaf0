//! Why and how each object was written: one log line and one entry of a bounded ring per write. Never a body.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::{FenceToken, Operation, OperationResult, TargetId};
use crate::object::{Cause, ObjectId};

/// Entries that are kept. At some 300 bytes each this is 300 KB, and a busy minute of writes.
const KEPT: usize = 1_000;

/// One write and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    /// Grows by one with every write since the hub's start.
    pub sequence: u64,
    /// When its result came.
    pub at: Timestamp,
    /// The target.
    pub target: TargetId,
    /// The leadership it was written under.
    pub fence: FenceToken,
    /// The object.
    pub object: ObjectId,
    /// `put` or `delete`.
    pub operation: &'static str,
    /// The resources the object is (or, when deleted, was) made from; none for the marker and for leftovers of an
    /// earlier run of the hub.
    pub causes: Vec<Cause>,
    /// `ok`, or the reason of the error.
    pub result: &'static str,
    /// The status of the target's answer.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
}

/// The last writes, for the API; cloning gives another handle to the same ring.
#[derive(Debug, Clone, Default)]
pub struct Writes {
    // A standard mutex: it is held for a push or a copy only, never over an await.
    ring: Arc<Mutex<Ring>>,
}

#[derive(Debug, Default)]
struct Ring {
    next: u64,
    records: VecDeque<WriteRecord>,
}

impl Writes {
    /// The last 1,000 writes, newest last.
    #[must_use]
    pub fn recent(&self) -> Vec<WriteRecord> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.records.iter().cloned().collect()
    }

    /// How many writes there were since the hub's start.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).next
    }

    pub(super) fn record(&self, target: &TargetId, fence: FenceToken, operation: &Operation, result: &OperationResult) {
        let mut record = WriteRecord {
            sequence: 0,
            at: Timestamp::now(),
            target: target.clone(),
            fence,
            object: operation.id().clone(),
            operation: operation.label(),
            causes: causes(operation).to_vec(),
            result: result_label(result),
            status: result.status,
            duration: result.duration,
        };
        log(&record, result);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        record.sequence = ring.next;
        ring.next += 1;
        if ring.records.len() == KEPT {
            ring.records.pop_front();
        }
        ring.records.push_back(record);
    }
}

/// `ok`, or the reason of the error.
pub(super) fn result_label(result: &OperationResult) -> &'static str {
    result.result.as_ref().map_or_else(|error| error.reason(), |_| "ok")
}

fn causes(operation: &Operation) -> &[Cause] {
    match operation {
        Operation::Put { object } => &object.causes,
        Operation::Delete { was, .. } => was.as_ref().map_or(&[], |object| &object.causes),
    }
}

/// Names the first cause; an object made from more says how many there are.
fn log(record: &WriteRecord, result: &OperationResult) {
    let cause = record.causes.first();
    let cluster = cause.map(|cause| tracing::field::display(&cause.key.cluster));
    let key = cause.map(|cause| tracing::field::display(&cause.key.key));
    let content = cause.map(|cause| tracing::field::display(cause.content_hash));
    let n_causes = record.causes.len();
    let (object, operation, status) = (&record.object, record.operation, record.status);
    let (target, fence, duration) = (&record.target, record.fence.0, record.duration);
    match &result.result {
        Ok(_) => {
            info!(target: "hubline::write", %target, fence, %object, operation, cluster, key, content, n_causes, status, ?duration, "written");
        }
        Err(error) => {
            warn!(target: "hubline::write", %target, fence, %object, operation, cluster, key, content, n_causes, status, ?duration, reason = error.reason(), %error, "not written");
        }
    }
}
