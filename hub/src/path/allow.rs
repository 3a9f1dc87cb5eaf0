//! Which addresses a cluster may name: what its agent says ends up as nodes at APISIX and is probed by the hub.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

/// The networks of one cluster that its operator allows.
///
/// Without any, everything is allowed but what would reach the hub's and APISIX's own machines: loopback, link-local
/// (where clouds keep their metadata services), multicast and the unspecified address. A name can resolve to anything,
/// so names are only allowed without a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed(Option<Arc<[IpNet]>>);

impl Allowed {
    /// These networks alone; none at all means the default.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self((!networks.is_empty()).then(|| networks.into()))
    }

    /// Whether an address may be planned and probed.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match &self.0 {
            Some(networks) => networks.iter().any(|network| network.contains(&address)),
            None => !is_special(address),
        }
    }

    /// As [`Self::address`], of a host as it stands in an object: an address, IPv6 with or without brackets, or a name.
    #[must_use]
    pub fn host(&self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(address) => self.address(address),
            Err(_) => self.0.is_none() && !is_local_name(bare),
        }
    }
}

fn is_special(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}

/// RFC 6761 section 6.3: names that are loopback wherever they are asked for.
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_link_local_only_where_named() {
        let default = Allowed::default();
        for special in [
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "[::1]",
            "fe80::1",
            "::ffff:127.0.0.1",
            "LocalHost.",
        ] {
            assert!(!default.host(special), "{special}");
        }
        for usual in ["10.0.0.1", "[fd00::1]", "203.0.113.9", "web.example.com"] {
            assert!(default.host(usual), "{usual}");
        }
        let named = Allowed::new(&["127.0.0.0/8".parse().unwrap()]);
        assert!(named.host("127.0.0.1") && named.host("::ffff:127.0.0.1"));
        for outside in ["10.0.0.1", "::1", "web.example.com"] {
            assert!(!named.host(outside), "{outside}");
        }
    }
}
