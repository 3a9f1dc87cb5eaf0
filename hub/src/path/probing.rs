//! Keeps one prober for each configured path, and tells it what there is to probe.
//!
//! Only clusters whose paths are configured are probed: where there is one way alone nothing can be switched. Samples
//! follow what the cluster publishes, within a second, at the cost of the clusters that changed.

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hubline::model::{ClusterId, GlobalKey, GroupKind, Key, Resource, ResourceKind};
use hubline::wire::Epoch;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::probe::{Finding, ProbeContext, ProbeSpec, Sample, Sockets, TargetKind, TargetProbe, TimeoutPolicy};
use super::probe::{GatewayProbe, probe_path};
use super::{Path, Reach};
use crate::config::{ClusterConfig, ClusterList};
use crate::view::View;

/// Between two looks at what clusters publish.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks through one APISIX instance while the line is good.
const GATEWAY_INTERVAL: Duration = Duration::from_secs(1);

/// What probers are made of.
#[derive(Debug)]
pub struct ProbingOptions {
    /// The operator's list.
    pub clusters: watch::Receiver<Arc<ClusterList>>,
    /// What clusters publish.
    pub view: Arc<ArcSwap<View>>,
    /// Where evidence goes.
    pub findings: tokio::sync::mpsc::Sender<Finding>,
    /// From when moments count.
    pub began: Instant,
    /// `HOST:PORT` of APISIX instances that look, too.
    pub instances: Vec<Arc<str>>,
    /// Where jitter, phases and nonces come from.
    pub seed: u64,
}

type PathId = (ClusterId, String);

/// See the module.
#[derive(Debug)]
pub struct Probing {
    options: ProbingOptions,
    sockets: Sockets,
    running: BTreeMap<PathId, Running>,
    seen: BTreeMap<ClusterId, (Epoch, u64)>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Running {
    spec: watch::Sender<Arc<ProbeSpec>>,
    samples: watch::Sender<Arc<[Sample]>>,
    stop: CancellationToken,
}

impl Probing {
    /// Nothing is probed yet.
    #[must_use]
    pub fn new(options: ProbingOptions) -> Self {
        Self {
            options,
            sockets: Sockets::default(),
            running: BTreeMap::new(),
            seen: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Probes until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut clusters = self.options.clusters.clone();
        self.follow(&shutdown);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Ok(()) = clusters.changed() => self.follow(&shutdown),
                _ = looks.tick() => self.look(),
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// The operator's list as it is now.
    fn follow(&mut self, shutdown: &CancellationToken) {
        let list = self.options.clusters.borrow_and_update().clone();
        let mut wanted = BTreeSet::new();
        self.seen.clear();
        for config in list.iter() {
            for path in &config.paths {
                let id = (config.name.clone(), path.name.clone());
                if !self.running.contains_key(&id) {
                    self.start(&id, config, path, shutdown);
                }
                wanted.insert(id);
            }
        }
        self.running.retain(|id, running| {
            let stays = wanted.contains(id);
            if !stays {
                running.stop.cancel();
            }
            stays
        });
        self.look();
    }

    fn start(&mut self, id: &PathId, config: &ClusterConfig, path: &Path, shutdown: &CancellationToken) {
        let (samples, receiver) = watch::channel(Arc::from([]));
        let spec = Arc::new(self.spec(config, path, &[], receiver));
        let (spec, specs) = watch::channel(spec);
        let stop = shutdown.child_token();
        let hash = blake3::hash(format!("{} {} {}", self.options.seed, id.0, id.1).as_bytes());
        let context = ProbeContext {
            findings: self.options.findings.clone(),
            sockets: self.sockets.clone(),
            began: self.options.began,
            seed: hash
                .as_bytes()
                .first_chunk()
                .map_or(0, |first| u64::from_le_bytes(*first)),
        };
        self.tasks.spawn(probe_path(specs, context, stop.clone()));
        self.running.insert(id.clone(), Running { spec, samples, stop });
    }

    /// What changed of the clusters that are probed.
    fn look(&mut self) {
        let view = self.options.view.load_full();
        let list = self.options.clusters.borrow().clone();
        for config in list.iter().filter(|config| !config.paths.is_empty()) {
            let now = view
                .clusters
                .get(&config.name)
                .map(|summary| (summary.epoch, summary.revision));
            let now = now.unwrap_or_default();
            if self.seen.get(&config.name) == Some(&now) {
                continue;
            }
            self.seen.insert(config.name.clone(), now);
            for path in &config.paths {
                self.tell(config, path, &view);
            }
        }
    }

    fn tell(&self, config: &ClusterConfig, path: &Path, view: &View) {
        let Some(running) = self.running.get(&(config.name.clone(), path.name.clone())) else {
            return;
        };
        running
            .samples
            .send_replace(samples::of(view, &config.name, path).into());
        let spec = self.spec(config, path, &echo(view, &config.name), running.samples.subscribe());
        running.spec.send_if_modified(|known| {
            let differs = !same(known, &spec);
            if differs {
                *known = Arc::new(spec);
            }
            differs
        });
    }

    fn spec(
        &self,
        config: &ClusterConfig,
        path: &Path,
        published: &[String],
        samples: watch::Receiver<Arc<[Sample]>>,
    ) -> ProbeSpec {
        let echo = echo_on(path, published);
        let resolved = path.probe.resolved(path.kind);
        let looks = !echo.is_empty();
        ProbeSpec {
            cluster: config.name.clone(),
            path: path.name.as_str().into(),
            interval: if looks {
                resolved.interval
            } else {
                resolved.interval_without_echo
            },
            gateway_interval: GATEWAY_INTERVAL,
            back_off: resolved.back_off,
            timeout: resolved.timeout.map_or(TimeoutPolicy::Auto, TimeoutPolicy::Fixed),
            expected_cluster: config.name.clone(),
            targets: targets(path),
            samples,
            gateways: if looks {
                self.gateways(&config.name, path)
            } else {
                Vec::new()
            },
            allowed: config.allowed(),
            echo,
        }
    }

    /// Only where the agent's echo is on the path is there something for APISIX to ask.
    fn gateways(&self, cluster: &ClusterId, path: &Path) -> Vec<GatewayProbe> {
        let probe = |instance: &Arc<str>| GatewayProbe {
            instance: Arc::clone(instance),
            host: crate::plan::probes::HOST.to_owned(),
            path: crate::plan::probes::uri(cluster, &path.name),
            expected_cluster: cluster.clone(),
        };
        self.options.instances.iter().map(probe).collect()
    }
}

/// Everything but the samples, which have a channel of their own.
fn same(one: &ProbeSpec, other: &ProbeSpec) -> bool {
    let parts = |spec: &ProbeSpec| {
        let times = (spec.interval, spec.gateway_interval, spec.back_off, spec.timeout);
        (
            times,
            spec.echo.clone(),
            spec.targets.clone(),
            spec.gateways.clone(),
            spec.allowed.clone(),
        )
    };
    parts(one) == parts(other)
}

/// Where the agent says that its echo is.
fn echo(view: &View, cluster: &ClusterId) -> Vec<String> {
    let source = GroupKind::new("", "Cluster");
    let key = GlobalKey {
        cluster: cluster.clone(),
        key: Key::new(ResourceKind::ClusterInfo, &source, "", cluster.as_str(), ""),
    };
    match view.resources.get(&key).map(|stored| stored.resource.as_ref()) {
        Some(Resource::ClusterInfo(info)) => info.echo.clone(),
        _ => Vec::new(),
    }
}

/// Where the echo is on a path: as configured, or, where pods are reached, as the agent says.
#[must_use]
pub fn echo_on(path: &Path, published: &[String]) -> Vec<String> {
    if !path.echo.is_empty() {
        return path.echo.iter().map(ToString::to_string).collect();
    }
    if path.reach != Reach::Pods {
        return Vec::new();
    }
    let mapped = |text: &String| match text.parse::<std::net::SocketAddr>() {
        Ok(address) => std::net::SocketAddr::new(path.mapped(address.ip()), address.port()).to_string(),
        Err(_) => text.clone(),
    };
    published.iter().map(mapped).collect()
}

/// What the operator wants probed; of a gateway, where nothing else is said, that it lets itself be connected to.
fn targets(path: &Path) -> Vec<TargetProbe> {
    if !path.targets.is_empty() || path.reach != Reach::Gateway {
        return path.targets.clone();
    }
    let addresses = path.gateway.iter().flat_map(|gateway| &gateway.addresses);
    let target = |(at, address): (usize, &super::HostPort)| TargetProbe {
        name: format!("gateway-{at}"),
        kind: TargetKind::Tcp,
        address: address.to_string(),
        timeout: None,
        tls: None,
        http: None,
        grpc: None,
    };
    addresses.enumerate().map(target).collect()
}
