//! One call to the sink that is under way.

use std::future::Future;

use futures::future::BoxFuture;

use crate::sink::{FenceToken, Operation, OperationResult, Sink};

/// A stage and its results.
pub(super) type LaneResult = (Vec<Operation>, Vec<OperationResult>);

/// A call under way.
pub(super) type Lane<'a> = BoxFuture<'a, LaneResult>;

/// Starts a call; none for an empty stage.
pub(super) fn start(sink: &dyn Sink, fence: FenceToken, stage: Vec<Operation>) -> Option<Lane<'_>> {
    if stage.is_empty() {
        return None;
    }
    Some(Box::pin(async move {
        let results = sink.apply(fence, &stage).await;
        (stage, results)
    }))
}

/// Waits for a future if there is one, else for ever; takes it out when it is done. Cancel-safe.
pub(super) async fn optional<F: Future + Unpin>(slot: &mut Option<F>) -> F::Output {
    let Some(future) = slot else {
        return std::future::pending().await;
    };
    let output = future.await;
    *slot = None;
    output
}
