//! Rooms with their agents, one hub and one APISIX.

use anyhow::{Context, Result, ensure};
use hubline_hub::config::ClusterConfig;
use hubline_sandbox::apisix::{Call, Kind, StandIn};
use hubline_sandbox::failover::{Apps, Load, Room};
use hubline_sandbox::system::{PATIENCE, Source, System};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::figures::Cut;
use crate::restarts::looked;

/// Whether figures are asked for: then all parameters are the defaults, which a busy machine may fail.
pub(crate) fn measuring() -> bool {
    std::env::var_os(super::figures::FILE).is_some()
}

/// Requests a second of the client: those of issue 5 when they are measured.
pub(crate) fn rate() -> u32 {
    if measuring() { 200 } else { 50 }
}

/// Requests of so many seconds.
pub(crate) fn seconds(count: u32) -> usize {
    (count * rate()) as usize
}

/// Seconds before a cut, in which upstreams of gateways are proved and checks begin.
pub(crate) const RUN_IN: u32 = 4;

/// A service of 2 pods.
pub(crate) const FEW: Apps<'_> = Apps {
    name: "few",
    count: 1,
    pods: 2,
};

/// A service of 50 pods.
pub(crate) const MANY: Apps<'_> = Apps {
    name: "many",
    count: 1,
    pods: 50,
};

/// See the module.
pub(crate) struct World {
    pub(crate) system: System,
    pub(crate) rooms: Vec<Room>,
}

/// A cluster with these paths; `more` is added to its configuration.
pub(crate) fn cluster(room: &Room, paths: &[Value], more: &Value) -> Result<ClusterConfig> {
    let mut config = json!({"name": room.name(), "paths": paths});
    if !measuring() {
        make_patient(&mut config);
    }
    Ok(serde_json::from_value(merged(config, more))?)
}

/// A machine that is busy must not look like a line that is cut.
fn make_patient(config: &mut Value) {
    config["requests"] = json!({"connect": "2s", "retryTimeout": "6s"});
    for path in config["paths"].as_array_mut().into_iter().flatten() {
        path["probe"] = json!({"timeout": "2s"});
    }
}

/// An object with the fields of another.
pub(crate) fn merged(mut one: Value, other: &Value) -> Value {
    if let (Some(fields), Some(more)) = (one.as_object_mut(), other.as_object()) {
        fields.extend(more.clone());
    }
    one
}

/// A cluster with the private line first, and the gateway second.
pub(crate) fn with_gateway(room: &Room, more: &Value) -> Result<ClusterConfig> {
    cluster(room, &[room.private_path(), room.gateway_path()], more)
}

/// A cluster with the private line first, and the same pods by other addresses second.
pub(crate) fn with_mapping(room: &Room, more: &Value) -> Result<ClusterConfig> {
    cluster(room, &[room.private_path(), room.mapped_path()], more)
}

impl World {
    /// Everything started; what the rooms declare is served, and all lines are known to be good.
    pub(crate) async fn start(rooms: Vec<Room>, clusters: Vec<ClusterConfig>, hosts: &[String]) -> Result<Self> {
        let mut world = Self::prepared(rooms, clusters).await?;
        world.begin(hosts).await?;
        Ok(world)
    }

    /// Nothing runs but APISIX.
    pub(crate) async fn prepared(rooms: Vec<Room>, clusters: Vec<ClusterConfig>) -> Result<Self> {
        let system = System::prepared(clusters).await?;
        Ok(Self { system, rooms })
    }

    /// Starts hub and agents; waits until all is served.
    pub(crate) async fn begin(&mut self, hosts: &[String]) -> Result<()> {
        self.system.start_hub()?;
        for at in 0..self.rooms.len() {
            self.start_agent(at)?;
        }
        self.settled(hosts).await
    }

    pub(crate) fn start_agent(&mut self, at: usize) -> Result<()> {
        let room = &self.rooms[at];
        let source = Source::Manifests(room.manifests());
        self.system.start_agent_with_echo(room.name(), source, room.echo())
    }

    /// Waits until these are served and each path has a good probe.
    pub(crate) async fn settled(&self, hosts: &[String]) -> Result<()> {
        for host in hosts {
            let served = self.system.until_answer(host, "/", |answer| answer.status == 200).await;
            served.with_context(|| format!("{host} is not served"))?;
        }
        for room in &self.rooms {
            for path in ["private", "public"] {
                self.until_good(room.name(), path).await?;
            }
        }
        looked(&self.system).await
    }

    /// Waits until a probe of a path was good.
    pub(crate) async fn until_good(&self, cluster: &str, path: &str) -> Result<()> {
        let label = format!("cluster=\"{cluster}\",path=\"{path}\",result=\"good\"");
        self.system.until_metric("hubline_path_probes_total", &label).await
    }

    /// A client of these hosts.
    pub(crate) fn load(&self, hosts: &[String], per_second: u32) -> Result<Load> {
        Load::start(self.system.apisix.gateway_addr(), hosts, per_second)
    }

    /// The sum of all of the hub's counters of this name with this text in their labels.
    pub(crate) async fn count(&self, name: &str, label: &str) -> Result<u64> {
        let metrics = self.system.metrics().await?;
        let such = metrics
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        let values = such.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<u64>());
        Ok(values.sum::<Result<u64, _>>()?)
    }

    /// Switches of a cluster so far.
    pub(crate) async fn switches(&self, cluster: &str) -> Result<u64> {
        let label = format!("cluster=\"{cluster}\"");
        self.count("hubline_path_switches_total", &label).await
    }

    /// Waits until this was said of a cluster so often.
    pub(crate) async fn until_count(&self, name: &str, label: &str, least: u64) -> Result<()> {
        let counted = async {
            while self.count(name, label).await? < least {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let waited = tokio::time::timeout(PATIENCE, counted).await;
        waited.with_context(|| format!("{name} with {label} does not reach {least}"))?
    }

    /// Waits for so many further results of a path's probes, whatever they are.
    pub(crate) async fn until_probed(&self, cluster: &str, path: &str, more: u64) -> Result<()> {
        let (name, label) = (
            "hubline_path_probes_total",
            format!("cluster=\"{cluster}\",path=\"{path}\""),
        );
        let before = self.count(name, &label).await?;
        self.until_count(name, &label, before + more).await
    }

    /// Orders that a cluster stays on a path.
    pub(crate) async fn pin(&self, cluster: &str, path: &str) -> Result<()> {
        let order = json!({"kind": "pin", "cluster": cluster, "path": path});
        let order = json!({"order": order, "why": "a trial", "lasts": "10m"});
        let (status, answer) = self.system.post("/v1/orders", &order).await?;
        ensure!(status == 201, "{status} {answer}");
        Ok(())
    }

    /// Waits until the target has a diversion.
    pub(crate) async fn until_diverted(&self) -> Result<()> {
        let rule = |it: &StandIn| it.count(Kind::GlobalRule) > 0;
        self.system.apisix.wait_until("diversion", PATIENCE, rule).await
    }

    /// Waits until the target has none.
    pub(crate) async fn until_not_diverted(&self) -> Result<()> {
        let none = |it: &StandIn| it.count(Kind::GlobalRule) == 0;
        self.system
            .apisix
            .wait_until("end of the diversion", PATIENCE, none)
            .await
    }
}

/// Clients of a cluster `a` that is cut, and of another one.
pub(crate) struct Clients {
    pub(crate) load: Load,
    other: Load,
}

impl Clients {
    pub(crate) fn of(world: &World, hosts: &[String], others: &[String]) -> Result<Self> {
        Ok(Self {
            load: world.load(hosts, rate())?,
            other: world.load(others, 10)?,
        })
    }

    /// Cuts the private line, and waits until every upstream of the cluster leads over the public one. From then on
    /// nobody fails, and nobody of the other cluster ever does. Returns what was written.
    pub(crate) async fn until_moved_by_burst(self, world: &World, what: &str) -> Result<Vec<Call>> {
        let cut = Cut::now();
        world.rooms[0].private.cut_black_hole().await?;
        let apisix = &world.system.apisix;
        apisix
            .wait_until("all upstreams moved", PATIENCE, moved_to("10.90.101.", "a"))
            .await?;
        let moved = Instant::now();
        self.load.until_sent(seconds(2)).await?;
        let requests = self.load.stop_since(cut.at).await?;
        let writes = apisix.writes();
        cut.record(what, "a", &requests, &writes);
        requests.after(moved).ensure_good("after the burst")?;
        self.other.stop().await?.ensure_good("the other cluster")?;
        Ok(writes)
    }
}

/// Whether all upstreams of a cluster lead to a network first.
pub(crate) fn moved_to(network: &'static str, cluster: &'static str) -> impl Fn(&StandIn) -> bool {
    move |it| {
        let upstreams = it.objects(Kind::Upstream);
        let mut own = upstreams
            .values()
            .filter(|upstream| upstream["labels"]["cluster"] == cluster)
            .peekable();
        own.peek().is_some() && own.all(|upstream| leads_to(upstream, network))
    }
}

fn leads_to(upstream: &Value, network: &str) -> bool {
    let nodes = upstream["nodes"].as_array().into_iter().flatten();
    let best = nodes.max_by_key(|node| node["priority"].as_i64());
    best.is_some_and(|node| node["host"].as_str().is_some_and(|host| host.starts_with(network)))
}
