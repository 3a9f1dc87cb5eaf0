//! How a cluster is reached now: its paths, in which order they are used, and whether a diversion carries it.

use std::time::Duration;

use hubline::config::duration;
use serde::{Deserialize, Serialize};

use crate::path::{Allowed, Path, Reach};

/// How one cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// All paths, by rank.
    pub paths: Vec<Path>,
    /// The networks that the cluster may name.
    pub allowed: Allowed,
    /// All paths as positions in `paths`, the one that carries traffic first.
    pub order: Vec<usize>,
    /// Whether one object sends all of it another way; upstreams then stay as they are by rank.
    pub diverted: Option<Diverted>,
    /// What a request may cost on a line that is silent; only where there is more than one path.
    pub bounds: Bounds,
    /// Checks by APISIX itself, for when the hub is down; none unless asked for.
    pub checks: Option<Checks>,
}

/// A diversion of one cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diverted {
    /// Position of the path that it takes, whose reach is `gateway`.
    pub path: usize,
    /// How much of the traffic, 1 to 100; the rest takes the upstreams.
    pub percent: u8,
}

/// What a request may cost on a line that is silent: `requests` of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Bounds {
    /// To connect to one node.
    #[serde(with = "duration")]
    pub connect: Duration,
    /// Further nodes that are tried.
    pub retries: u32,
    /// After which no further node is tried.
    #[serde(with = "duration")]
    pub retry_timeout: Duration,
}

impl Default for Bounds {
    /// A connect of a second and three tries: a request of a black-holed cluster fails after some 3 s, where unset
    /// values let it hang for 58 s (`reference/apisix.md`).
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            retries: 2,
            retry_timeout: Duration::from_secs(3),
        }
    }
}

/// Active checks of every node by APISIX: `checks` of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Checks {
    /// Between two checks, in whole seconds.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Failures after which a node is left out.
    pub failures: u8,
    /// Successes after which it is back.
    pub successes: u8,
}

impl Default for Checks {
    /// As `reference/apisix.md` measured them: a second, and two failures.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            failures: 2,
            successes: 2,
        }
    }
}

impl Bounds {
    /// What is wrong with them; `field` is where they stand.
    pub fn validate(&self, field: &str, faults: &mut Vec<String>) {
        let longest = Duration::from_secs(600);
        let times = [("connect", self.connect), ("retryTimeout", self.retry_timeout)];
        for (name, time) in times {
            if time < Duration::from_millis(1) || time > longest {
                faults.push(format!("{field}.{name} is {time:?}; allowed: 1ms to 10m"));
            }
        }
        if self.retries > 100 {
            faults.push(format!("{field}.retries is {}; allowed: 0 to 100", self.retries));
        }
    }
}

impl Checks {
    /// What is wrong with them; `field` is where they stand.
    pub fn validate(&self, field: &str, faults: &mut Vec<String>) {
        let whole = self.interval.subsec_nanos() == 0 && (1..=3600).contains(&self.interval.as_secs());
        if !whole {
            faults.push(format!(
                "{field}.interval is {:?}; allowed: whole seconds, 1s to 1h",
                self.interval
            ));
        }
        // APISIX's schema: 1 to 254.
        for (name, count) in [("failures", self.failures), ("successes", self.successes)] {
            if !(1..=254).contains(&count) {
                faults.push(format!("{field}.{name} is {count}; allowed: 1 to 254"));
            }
        }
    }
}

impl Routing {
    /// Straight to the pods.
    #[must_use]
    pub fn direct() -> Self {
        Self::new(vec![Path::direct()], Allowed::default())
    }

    /// Over these paths, by rank, the first carrying traffic.
    #[must_use]
    pub fn new(paths: Vec<Path>, allowed: Allowed) -> Self {
        Self {
            order: (0..paths.len()).collect(),
            paths,
            allowed,
            diverted: None,
            bounds: Bounds::default(),
            checks: None,
        }
    }

    /// The paths in the order in which upstreams use them.
    pub fn in_order(&self) -> impl Iterator<Item = &Path> {
        let order: Vec<usize> = match self.diverted {
            Some(_) => (0..self.paths.len()).collect(),
            None => self.order.clone(),
        };
        order.into_iter().filter_map(|at| self.paths.get(at))
    }

    /// Whether upstreams are made of it as of the other.
    #[must_use]
    pub fn has_same_upstreams(&self, other: &Self) -> bool {
        let made_of = |it: &Self| (it.allowed.clone(), it.bounds, it.checks, it.is_gateway_only());
        made_of(self) == made_of(other) && self.in_order().eq(other.in_order())
    }

    /// Whether every path ends at a gateway, which routes again: then all routes share an upstream.
    #[must_use]
    pub fn is_gateway_only(&self) -> bool {
        !self.paths.is_empty() && self.paths.iter().all(|path| path.reach == Reach::Gateway)
    }

    /// Whether nodes of the cluster are among what upstreams name.
    #[must_use]
    pub fn uses_nodes(&self) -> bool {
        self.paths.iter().any(|path| path.reach == Reach::NodePorts)
    }

    /// The path that a diversion takes.
    #[must_use]
    pub fn diversion(&self) -> Option<(&Path, u8)> {
        let diverted = self.diverted?;
        self.paths.get(diverted.path).map(|path| (path, diverted.percent))
    }
}
