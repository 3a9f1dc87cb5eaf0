//! By which addresses the hub reaches the echo port. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// `HOST:PORT`, sorted: those that are configured, or else the pod's own with the port that is listened on. An empty
/// list when there is neither.
#[must_use]
pub fn reached_at(advertised: &[String], pod: Option<IpAddr>, listens_on: SocketAddr) -> Vec<String> {
    let configured: BTreeSet<&String> = advertised.iter().collect();
    if !configured.is_empty() {
        return configured.into_iter().cloned().collect();
    }
    let pod = pod.map(|ip| SocketAddr::new(ip, listens_on.port()).to_string());
    pod.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_comes_before_the_pods_own_address() {
        let listens_on = "0.0.0.0:7444".parse().unwrap();
        let (v4, v6) = ("10.1.2.3".parse().ok(), "fd00::1".parse().ok());
        let configured = ["room-b:9".to_owned(), "room-a:9".to_owned(), "room-a:9".to_owned()];
        for (advertised, pod, wanted) in [
            (&[][..], None, &[][..]),
            (&[], v4, &["10.1.2.3:7444"]),
            (&[], v6, &["[fd00::1]:7444"]),
            (&configured, v4, &["room-a:9", "room-b:9"]),
        ] {
            assert_eq!(reached_at(advertised, pod, listens_on), wanted);
        }
    }
}
