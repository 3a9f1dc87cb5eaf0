//! What checks and requests have found out about the nodes of one upstream. No I/O: `gateway::check`
//! asks the nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::balancer::Address;
use super::checks::Limits;

/// One finding about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// it took a connection, where nothing more is asked
    Success,
    /// it answered with this status
    Status(u64),
    /// no connection, or one that broke
    TcpFailure,
    Timeout,
}

/// How a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    #[default]
    Healthy,
    /// up, with failures that don't suffice to take it down
    MostlyHealthy,
    /// down, with successes that don't suffice to bring it up
    MostlyUnhealthy,
    Unhealthy,
}

impl Status {
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Status::Healthy | Status::MostlyHealthy)
    }

    fn word(self) -> &'static str {
        match self {
            Status::Healthy => "healthy",
            Status::MostlyHealthy => "mostly_healthy",
            Status::MostlyUnhealthy => "mostly_unhealthy",
            Status::Unhealthy => "unhealthy",
        }
    }
}

/// One node's status and counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct NodeHealth {
    status: Status,
    successes: u64,
    http_failures: u64,
    tcp_failures: u64,
    timeouts: u64,
}

impl NodeHealth {
    fn learn(&mut self, finding: Finding, limits: &Limits) {
        match finding {
            Finding::Success => self.succeeded(limits),
            Finding::Status(status) if limits.good_statuses.contains(&status) => self.succeeded(limits),
            Finding::Status(status) if limits.bad_statuses.contains(&status) => {
                self.failed(|health| &mut health.http_failures, limits.http_failures);
            }
            Finding::Status(_) => {}
            Finding::TcpFailure => self.failed(|health| &mut health.tcp_failures, limits.tcp_failures),
            Finding::Timeout => self.failed(|health| &mut health.timeouts, limits.timeouts),
        }
    }

    /// A success forgets all failures. It counts only while it can change something.
    fn succeeded(&mut self, limits: &Limits) {
        if self.status == Status::Healthy || limits.successes == 0 {
            return;
        }
        self.successes += 1;
        (self.http_failures, self.tcp_failures, self.timeouts) = (0, 0, 0);
        if self.successes >= limits.successes {
            self.status = Status::Healthy;
        } else if self.status == Status::Unhealthy {
            self.status = Status::MostlyUnhealthy;
        }
    }

    /// A failure forgets the successes, but not the failures of other sorts.
    fn failed(&mut self, counter: fn(&mut Self) -> &mut u64, limit: u64) {
        if self.status == Status::Unhealthy || limit == 0 {
            return;
        }
        *counter(self) += 1;
        self.successes = 0;
        if *counter(self) >= limit {
            self.status = Status::Unhealthy;
        } else if self.status == Status::Healthy {
            self.status = Status::MostlyHealthy;
        }
    }

    fn shown(&self, (host, port): &Address) -> Value {
        json!({
            "ip": host,
            "hostname": host,
            "port": port,
            "status": self.status.word(),
            "counter": {
                "success": self.successes,
                "http_failure": self.http_failures,
                "tcp_failure": self.tcp_failures,
                "timeout_failure": self.timeouts,
            },
        })
    }
}

/// The nodes of one upstream, keyed by host and port; all are up at first.
#[derive(Debug)]
pub(crate) struct Health {
    nodes: Mutex<BTreeMap<Address, NodeHealth>>,
}

impl Health {
    pub(crate) fn new(addresses: impl IntoIterator<Item = Address>) -> Self {
        let nodes = addresses.into_iter().map(|address| (address, NodeHealth::default()));
        Self {
            nodes: Mutex::new(nodes.collect()),
        }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Address, NodeHealth>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a finding; true if the node went up or down by it.
    pub(crate) fn learn(&self, address: &Address, finding: Finding, limits: &Limits) -> bool {
        let mut nodes = self.nodes();
        let Some(node) = nodes.get_mut(address) else {
            return false;
        };
        let before = node.status.is_up();
        node.learn(finding, limits);
        node.status.is_up() != before
    }

    /// The nodes that are up, or those that are down.
    pub(crate) fn addresses(&self, up: bool) -> BTreeSet<Address> {
        let nodes = self.nodes();
        let chosen = nodes.iter().filter(|(_, node)| node.status.is_up() == up);
        chosen.map(|(address, _)| address.clone()).collect()
    }

    /// As the control API shows them.
    pub(crate) fn shown(&self) -> Vec<Value> {
        let nodes = self.nodes();
        nodes.iter().map(|(address, node)| node.shown(address)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            successes: 2,
            http_failures: 3,
            tcp_failures: 2,
            timeouts: 1,
            good_statuses: vec![200],
            bad_statuses: vec![500],
        }
    }

    /// `+` success, `h` bad status, `?` another status, `x` failed connection, `t` timeout.
    fn after(findings: &str, limits: &Limits) -> NodeHealth {
        let mut health = NodeHealth::default();
        for finding in findings.chars() {
            let finding = match finding {
                '+' => Finding::Status(200),
                'h' => Finding::Status(500),
                '?' => Finding::Status(418),
                'x' => Finding::TcpFailure,
                _ => Finding::Timeout,
            };
            health.learn(finding, limits);
        }
        health
    }

    #[test]
    fn limits_decide_over_up_and_down() {
        let table = [
            ("", "healthy"),
            ("+", "healthy"),
            ("x", "mostly_healthy"),
            ("xx", "unhealthy"),
            ("x?x", "unhealthy"),
            ("x+x", "mostly_healthy"),
            ("hxh", "mostly_healthy"),
            ("hhh", "unhealthy"),
            ("t", "unhealthy"),
            ("t+", "mostly_unhealthy"),
            ("t+x+", "mostly_unhealthy"),
            ("t++", "healthy"),
            ("x++", "healthy"),
        ];
        for (findings, wanted) in table {
            assert_eq!(after(findings, &limits()).status.word(), wanted, "{findings}");
        }
    }

    #[test]
    fn counters_stop_where_nothing_can_change() {
        assert_eq!(after("xxxxx", &limits()).tcp_failures, 2);
        assert_eq!(after("+++", &limits()).successes, 0);
    }

    #[test]
    fn a_limit_of_zero_turns_a_sort_of_failure_off() {
        let limits = Limits {
            timeouts: 0,
            ..limits()
        };
        assert_eq!(after("tttt", &limits).status, Status::Healthy);
    }
}
