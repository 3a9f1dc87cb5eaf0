//! A cluster's API server as a source: one watch a kind, and Secrets fetched by name.
//!
//! Every failure is tried again for ever: a kind that is forbidden or missing now may be allowed or installed later,
//! and is picked up within seconds. A kind that nobody installed is known to have no objects ([`installed`]). Back-pressure reaches the API server: whoever reads the events slowly makes the
//! watches read slowly. Nothing is stored here, and nothing is decided about objects.

mod backoff;
mod facts;
mod installed;
mod secrets;
#[cfg(test)]
mod tests;
mod timeouts;
mod watch;

use std::collections::BTreeSet;

use ::kube::Client;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Kind, KindVisitor, Name, SourceEvent, Watched};

pub use facts::{ClusterFacts, cluster_facts};
pub use timeouts::Timeouts;

/// Watches every kind and fetches `wanted` Secrets, until cancelled. A closed channel of events ends it too.
pub async fn run(
    client: Client,
    wanted: tokio::sync::watch::Receiver<BTreeSet<Name>>,
    events: mpsc::Sender<SourceEvent>,
    cancel: CancellationToken,
) {
    let watches = Kind::ALL.iter().map(|kind| {
        kind.visit(Follow {
            client: client.clone(),
            events: events.clone(),
        })
    });
    let watches = join_all(watches);
    let fetches = secrets::fetch(client.clone(), wanted, events.clone());
    tokio::select! {
        () = cancel.cancelled() => {}
        () = events.closed() => {}
        _ = futures::future::join3(watches, fetches, tell_version(client, events.clone())) => {}
    }
}

/// A closed channel ends all of it elsewhere.
async fn tell_version(client: Client, events: mpsc::Sender<SourceEvent>) {
    let facts = cluster_facts(&client).await;
    events
        .send(SourceEvent::Version(facts.version))
        .await
        .unwrap_or_default();
}

struct Follow {
    client: Client,
    events: mpsc::Sender<SourceEvent>,
}

impl KindVisitor for Follow {
    type Output = BoxFuture<'static, ()>;

    fn visit<K: Watched>(self) -> Self::Output {
        watch::follow::<K>(self.client, self.events).boxed()
    }
}

/// A client error in few words. Answers that cannot be read are not quoted: they may be Secrets.
pub(crate) fn words(error: &::kube::Error) -> String {
    match error {
        ::kube::Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        ::kube::Error::SerdeError(_) => "the answer cannot be read as this kind".to_owned(),
        other => other.to_string(),
    }
}
