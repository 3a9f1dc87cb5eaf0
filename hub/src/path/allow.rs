//! Which addresses a cluster may name: what its agent says ends up as nodes at APISIX and is probed by the hub.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

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
            Some(networks) => networks.iter().any(|network| names(network, address)),
            None => !is_special(address),
        }
    }

    /// As [`Self::address`], of a host as it stands in an object: an address, IPv6 with or without brackets, or a name.
    #[must_use]
    pub fn host(&self, host: &str) -> bool {
        match literal(host) {
            Some(address) => self.address(address),
            None => self.0.is_none() && !is_local_name(host),
        }
    }
}

/// Whether a network names an address: loopback, link-local and "this host" (RFC 1122 section 3.2.1.3) only where it lies
/// in these ranges itself, so that `0.0.0.0/0` opens none of them.
fn names(network: &IpNet, address: IpAddr) -> bool {
    const RANGES: [IpNet; 6] = [
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128)),
    ];
    let range = RANGES.iter().find(|range| range.contains(&address));
    network.contains(&address) && range.is_none_or(|range| range.contains(network))
}

/// The address that a host is, IPv6 with or without brackets; none for a name.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
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
    #[test]
    fn a_wide_network_names_no_special_range() {
        let wide = Allowed::new(&["0.0.0.0/0", "::/0", "126.0.0.0/7"].map(|network| network.parse().unwrap()));
        for special in [
            "127.0.0.1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "::",
            "::1",
            "fe80::1",
        ] {
            assert!(!wide.host(special), "{special}");
        }
        assert!(wide.host("192.0.2.1") && wide.host("fd00::1"));
        for (network, address) in [
            ("127.0.0.1/32", "127.0.0.1"),
            ("169.254.0.0/16", "169.254.1.1"),
            ("fe80::/64", "fe80::1"),
            ("::1/128", "::1"),
        ] {
            assert!(Allowed::new(&[network.parse().unwrap()]).host(address), "{network}");
        }
    }
}
