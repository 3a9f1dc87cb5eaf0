//! Whether a kind is installed: an API server answers alike for a kind that nobody installed and for one that it
//! does not serve at the moment, and only the first has certainly no objects.
//!
//! Kubernetes deletes all objects of a CustomResourceDefinition before the definition itself goes (a finalizer of its
//! own), and reads a definition by name from etcd, never from a cache that lags: where it does not exist, neither do
//! objects. Everything else is a failure, after which nothing is known.

use std::time::Duration;

use ::kube::core::Status;
use ::kube::{Api, Client};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use rand::Rng;
use tokio::time::sleep;

use super::words;
use crate::source::Watched;

/// Pause between two looks for a definition, in milliseconds. All twelve kinds that an agent looks for cost an API
/// server fewer than two small requests a second.
const AGAIN: std::ops::RangeInclusive<u64> = 5_000..=10_000;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Installed {
    /// Its definition exists.
    Yes,
    /// Its definition does not exist, and so it has no objects.
    No,
    /// Nobody says.
    Unknown(String),
}

/// Asks for the definition of a custom kind.
pub(super) async fn ask<K: Watched>(client: &Client) -> Installed {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    match definitions.get_metadata(&name).await {
        Ok(_) => Installed::Yes,
        Err(::kube::Error::Api(status)) if denies(&status, &name) => Installed::No,
        Err(error) => Installed::Unknown(words(&error)),
    }
}

/// Whether this is the API server's own word that there is nothing of this name. A load balancer's "not found", or that
/// of a server which does not know definitions at all, names nothing.
fn denies(status: &Status, name: &str) -> bool {
    let named = status.details.as_ref().is_some_and(|details| details.name == name);
    status.code == 404 && status.reason == "NotFound" && named
}

/// Waits while the definition does not exist.
pub(super) async fn wait_while_absent<K: Watched>(client: &Client) {
    loop {
        // Agents and kinds do not fall into step.
        let pause = rand::rng().random_range(AGAIN);
        sleep(Duration::from_millis(pause)).await;
        if ask::<K>(client).await != Installed::No {
            return;
        }
    }
}
