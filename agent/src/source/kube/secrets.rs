//! Secrets of other types, fetched by name when an Ingress refers to them: only TLS Secrets are watched, so that an
//! agent does not hold every password of its cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use ::kube::{Api, Client};
use k8s_openapi::api::core::v1;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::words;
use crate::source::{Fetch, Name, Object, SourceEvent, Watched};

/// How often known ones are fetched again. Certificates are renewed days before their end.
const AGAIN: Duration = Duration::from_secs(60);

/// How soon those are tried again that nobody could answer for.
const RETRY: Duration = Duration::from_secs(5);

/// Fetches what is wanted, until nobody wants or reads any more.
pub(super) async fn fetch(
    client: Client,
    mut wanted: watch::Receiver<BTreeSet<Name>>,
    events: mpsc::Sender<SourceEvent>,
) {
    let mut answered = BTreeSet::new();
    let mut round = Instant::now() + AGAIN;
    loop {
        let names = wanted.borrow_and_update().clone();
        answered.retain(|name| names.contains(name));
        let open: Vec<Name> = names.difference(&answered).cloned().collect();
        let mut retry = round;
        for name in open {
            let outcome = ask(&client, &name).await;
            match outcome {
                Fetch::Failed(_) => retry = round.min(Instant::now() + RETRY),
                Fetch::Found(_) | Fetch::NotFound => {
                    answered.insert(name.clone());
                }
            }
            if events.send(SourceEvent::Fetched { name, outcome }).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = wanted.changed() => if changed.is_err() { return },
            () = sleep_until(retry) => {}
        }
        if Instant::now() >= round {
            answered.clear();
            round = Instant::now() + AGAIN;
        }
    }
}

async fn ask(client: &Client, name: &Name) -> Fetch {
    let secrets: Api<v1::Secret> = Api::namespaced(client.clone(), &name.namespace);
    match secrets.get_opt(&name.name).await {
        Ok(Some(secret)) => match secret.slim() {
            Object::Secret(_, secret) => Fetch::Found(secret),
            other => Fetch::Failed(format!("asked for a Secret, got a {}", other.id().kind.name())),
        },
        Ok(None) => Fetch::NotFound,
        Err(error) => Fetch::Failed(words(&error)),
    }
}
