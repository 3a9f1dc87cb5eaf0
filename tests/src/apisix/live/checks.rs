//! What an upstream's `checks` ask for, with APISIX's defaults filled in.

use std::time::Duration;

use serde_json::Value;

use super::seconds;

/// The checks of one upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checks {
    pub(crate) kind: CheckKind,
    /// of one check, in all its parts
    pub(crate) timeout: Duration,
    /// how many nodes are looked at together
    pub(crate) concurrency: usize,
    /// of the request; none: the node's
    pub(crate) host: Option<String>,
    /// none: the node's
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    pub(crate) request_headers: Vec<String>,
    pub(crate) verify_certificate: bool,
    /// between two checks of a node that is up; none: never
    pub(crate) while_up: Option<Duration>,
    /// between two checks of a node that is down; none: never, so that it stays down
    pub(crate) while_down: Option<Duration>,
    pub(crate) active: Limits,
    /// what requests teach: failed connections count even where `passive` is not there
    pub(crate) passive: Limits,
    /// whether the status of answers to requests counts as well
    pub(crate) passive_status: bool,
}

/// How a node is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckKind {
    Http,
    Https,
    Tcp,
}

impl CheckKind {
    /// The word in `checks` and in the control API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            CheckKind::Http => "http",
            CheckKind::Https => "https",
            CheckKind::Tcp => "tcp",
        }
    }
}

/// How much of each it takes to change a node's status; 0 turns one off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) successes: u64,
    pub(crate) http_failures: u64,
    pub(crate) tcp_failures: u64,
    pub(crate) timeouts: u64,
    pub(crate) good_statuses: Vec<u64>,
    pub(crate) bad_statuses: Vec<u64>,
}

/// The defaults that the active and the passive half have each.
struct Defaults {
    successes: u64,
    timeouts: u64,
    good_statuses: fn() -> Vec<u64>,
    bad_statuses: &'static [u64],
}

const ACTIVE: Defaults = Defaults {
    successes: 2,
    timeouts: 3,
    good_statuses: || vec![200, 302],
    bad_statuses: &[429, 404, 500, 501, 502, 503, 504, 505],
};

const PASSIVE: Defaults = Defaults {
    successes: 5,
    timeouts: 7,
    good_statuses: || (200..=208).chain([226]).chain(300..=308).collect(),
    bad_statuses: &[429, 500, 503],
};

impl Checks {
    pub(super) fn new(value: &Value) -> Self {
        let active = &value["active"];
        let count = |field: &str| active[field].as_u64().and_then(|count| usize::try_from(count).ok());
        let host = active["host"].as_str().map(str::to_owned);
        Self {
            kind: match active["type"].as_str() {
                Some("tcp") => CheckKind::Tcp,
                Some("https") => CheckKind::Https,
                _ => CheckKind::Http,
            },
            timeout: seconds(&active["timeout"]).unwrap_or(Duration::from_secs(1)),
            concurrency: count("concurrency").unwrap_or(10).max(1),
            host,
            port: active["port"].as_u64().and_then(|port| u16::try_from(port).ok()),
            path: active["http_path"].as_str().unwrap_or("/").to_owned(),
            request_headers: texts(&active["req_headers"]),
            verify_certificate: active["https_verify_certificate"] != false,
            while_up: interval(active.get("healthy")),
            while_down: interval(active.get("unhealthy")),
            active: Limits::new(active, &ACTIVE),
            passive: Limits::new(&value["passive"], &PASSIVE),
            passive_status: value.get("passive").is_some(),
        }
    }
}

/// One second where the half is there without it; without that half nothing is ever checked.
fn interval(half: Option<&Value>) -> Option<Duration> {
    let seconds = seconds(&half?["interval"]).unwrap_or(Duration::from_secs(1));
    (!seconds.is_zero()).then_some(seconds)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

impl Limits {
    fn new(half: &Value, defaults: &Defaults) -> Self {
        let (healthy, unhealthy) = (&half["healthy"], &half["unhealthy"]);
        let number = |value: &Value, default| value.as_u64().unwrap_or(default);
        let numbers = |value: &Value| {
            let items = value.as_array()?;
            Some(items.iter().filter_map(Value::as_u64).collect())
        };
        Self {
            successes: number(&healthy["successes"], defaults.successes),
            http_failures: number(&unhealthy["http_failures"], 5),
            tcp_failures: number(&unhealthy["tcp_failures"], 2),
            timeouts: number(&unhealthy["timeouts"], defaults.timeouts),
            good_statuses: numbers(&healthy["http_statuses"]).unwrap_or_else(defaults.good_statuses),
            bad_statuses: numbers(&unhealthy["http_statuses"]).unwrap_or_else(|| defaults.bad_statuses.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_half_that_is_missing_is_never_checked() {
        let second = Some(Duration::from_secs(1));
        let table = [
            (json!({"active": {"healthy": {}, "unhealthy": {}}}), second, second),
            (json!({"active": {"healthy": {"interval": 1}}}), second, None),
            (
                json!({"active": {"unhealthy": {"interval": 3}}}),
                None,
                Some(Duration::from_secs(3)),
            ),
            (json!({"active": {}}), None, None),
        ];
        for (checks, up, down) in table {
            let compiled = Checks::new(&checks);
            assert_eq!((compiled.while_up, compiled.while_down), (up, down), "{checks}");
        }
    }

    #[test]
    fn limits_are_read_or_defaulted() {
        let checks = Checks::new(&json!({"active": {"type": "tcp", "port": 9,
            "healthy": {"successes": 1}, "unhealthy": {"tcp_failures": 4, "timeouts": 1}}}));
        assert_eq!((checks.kind, checks.port), (CheckKind::Tcp, Some(9)));
        let limits = |limits: &Limits| {
            [
                limits.successes,
                limits.http_failures,
                limits.tcp_failures,
                limits.timeouts,
            ]
        };
        assert_eq!(limits(&checks.active), [1, 5, 4, 1]);
        assert_eq!(limits(&checks.passive), [5, 5, 2, 7]);
        assert!(!checks.passive_status);
    }
}
