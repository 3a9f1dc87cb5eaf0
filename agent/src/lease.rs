//! Which replica publishes: the holder of a Kubernetes Lease.
//!
//! [`election`] decides and knows neither network nor clock; this module asks and writes. Times of other machines are
//! never compared with our own: a holder counts as gone when its record has not changed here for as long as it says.

pub mod election;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::pin::pin;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::LeaseConfig;
use crate::source::kube::words;
use election::{Action, Election, RENEW_INTERVAL, Record};

/// How long one round may take: two fit between a renewal that was due (5 s) and the moment when others take over (15 s).
/// As long may giving it back take, so that an agent which is told to stop does.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Whether this replica publishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leadership {
    /// It does.
    pub holder: bool,
    /// How often the lease changed hands: the counter of the epoch.
    pub transitions: u64,
}

/// Takes part in the election until `shutdown`, then gives the lease back.
pub async fn run(
    client: kube::Client,
    config: LeaseConfig,
    identity: String,
    leadership: watch::Sender<Leadership>,
    shutdown: CancellationToken,
) {
    let api = match &config.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::default_namespaced(client),
    };
    let mut candidate = Candidate {
        api,
        name: config.name,
        election: Election::new(identity),
        leadership,
    };
    while !shutdown.is_cancelled() {
        let pause = candidate.round().await;
        shutdown.run_until_cancelled(candidate.wait(pause)).await;
    }
    candidate.release().await;
}

struct Candidate {
    api: Api<Lease>,
    name: String,
    election: Election,
    leadership: watch::Sender<Leadership>,
}

impl Candidate {
    /// Looks at the lease, takes or renews it, and tells how long to wait.
    async fn round(&mut self) -> Duration {
        let result = self.attempt_in_time().await;
        if let Err(problem) = &result {
            warn!(lease = self.name, problem, "lease could not be read or written");
        }
        self.announce(Instant::now());
        let pause = match result {
            Ok(()) => self.election.pause(Instant::now()),
            Err(_) => RENEW_INTERVAL / 5,
        };
        // Up to a tenth less, so that replicas do not ask in step.
        pause.mul_f64(0.9 + rand::random::<f64>() / 10.0)
    }

    /// One attempt. The renew deadline may come while an API server says nothing: publishing stops in that moment.
    async fn attempt_in_time(&mut self) -> Result<(), String> {
        let (deadline, leadership) = (self.election.deadline(Instant::now()), self.leadership.clone());
        let name = self.name.clone();
        let mut attempt = pin!(timeout(REQUEST_TIMEOUT, self.attempt(Instant::now())));
        let result = tokio::select! {
            result = &mut attempt => result,
            () = until(deadline) => {
                step_down(&name, &leadership);
                attempt.await
            }
        };
        result.unwrap_or_else(|elapsed| Err(elapsed.to_string()))
    }

    /// Waits, and stops publishing when the renew deadline comes.
    async fn wait(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = until(self.election.deadline(Instant::now())) => step_down(&self.name, &self.leadership),
        }
    }

    async fn attempt(&mut self, now: Instant) -> Result<(), String> {
        let lease = self.api.get_opt(&self.name).await.map_err(|error| words(&error))?;
        let seen = lease.as_ref().map(record);
        let written = match self.election.decide(seen, now) {
            Action::Wait => return Ok(()),
            Action::Create { transitions } => {
                let lease = self.lease(ObjectMeta::default(), transitions);
                self.api.create(&PostParams::default(), &lease).await
            }
            Action::Write { transitions } => {
                let metadata = lease.map(|lease| lease.metadata).unwrap_or_default();
                let lease = self.lease(metadata, transitions);
                self.api.replace(&self.name, &PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(lease) => self.election.written(record(&lease), now),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                debug!(lease = self.name, "another replica was faster");
                self.election.lost();
            }
            Err(error) => return Err(words(&error)),
        }
        Ok(())
    }

    /// The metadata carries the resourceVersion that was read: the write fails when anyone wrote in between.
    fn lease(&self, metadata: ObjectMeta, transitions: u64) -> Lease {
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        let spec = LeaseSpec {
            holder_identity: Some(self.election.identity().to_owned()),
            lease_duration_seconds: i32::try_from(election::DURATION.as_secs()).ok(),
            lease_transitions: Some(i32::try_from(transitions).unwrap_or(i32::MAX)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        };
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..metadata
            },
            spec: Some(spec),
        }
    }

    fn announce(&self, now: Instant) {
        let leadership = self.election.leadership(now);
        let changed = self
            .leadership
            .send_if_modified(|last| std::mem::replace(last, leadership) != leadership);
        if changed {
            let Leadership { holder, transitions } = leadership;
            info!(lease = self.name, holder, transitions, "leadership");
        }
    }

    async fn release(&mut self) {
        let held = self.election.leadership(Instant::now()).holder;
        self.election.lost();
        self.announce(Instant::now());
        if !held {
            return;
        }
        let problem = match timeout(REQUEST_TIMEOUT, self.give_back()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => words(&error),
            Err(elapsed) => elapsed.to_string(),
        };
        warn!(
            lease = self.name,
            problem, "lease was not given back; it runs out by itself"
        );
    }

    async fn give_back(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(());
        };
        let Some(spec) = lease.spec.as_mut() else {
            return Ok(());
        };
        if spec.holder_identity.as_deref() != Some(self.election.identity()) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        self.api
            .replace(&self.name, &PostParams::default(), &lease)
            .await
            .map(drop)
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

fn step_down(lease: &str, leadership: &watch::Sender<Leadership>) {
    let held = leadership.send_if_modified(|last| std::mem::take(&mut last.holder));
    if held {
        warn!(lease, "lease was not renewed in time: publishing stops");
    }
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|it| u64::try_from(it).ok());
    Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        transitions: spec
            .lease_transitions
            .and_then(|it| u64::try_from(it).ok())
            .unwrap_or(0),
        duration: seconds.map_or(election::DURATION, Duration::from_secs),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
