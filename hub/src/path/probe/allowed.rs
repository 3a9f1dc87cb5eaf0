//! Which addresses may be probed. Pure.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Addresses that mean this machine or its own link, whatever a wider network says: loopback, link-local (where clouds
/// serve credentials), and "this host" (RFC 1122 3.2.1.3), which Linux connects to itself.
const SPECIAL: [IpNet; 6] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128)),
];

/// Whether one of these networks allows an address. An empty list allows none; a special address (loopback, link-local)
/// needs a network that lies in its own range.
#[must_use]
pub fn permits(allowed: &[IpNet], address: IpAddr) -> bool {
    // An IPv4 address in IPv6 clothes is what it is.
    let address = address.to_canonical();
    let range = SPECIAL.iter().find(|range| range.contains(&address));
    let named = |net: &IpNet| range.is_none_or(|range| range.contains(net));
    allowed.iter().any(|net| net.contains(&address) && named(net))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_allowed() {
        for (allowed, address, wanted) in [
            (&[][..], "10.0.0.1", false),
            (&["10.0.0.0/8"], "10.0.0.1", true),
            (&["10.0.0.0/8"], "11.0.0.1", false),
            (&["10.0.0.0/8"], "::ffff:10.0.0.1", true),
            (&["10.0.0.0/8", "fd00::/8"], "fd00::1", true),
            (&["0.0.0.0/0"], "192.0.2.1", true),
            (&["0.0.0.0/0"], "fd00::1", false),
            // A wide network names no special range.
            (&["0.0.0.0/0", "::/0"], "127.0.0.1", false),
            (&["0.0.0.0/0", "::/0"], "::ffff:127.0.0.1", false),
            (&["0.0.0.0/0", "::/0"], "169.254.169.254", false),
            (&["0.0.0.0/0", "::/0"], "0.0.0.0", false),
            (&["0.0.0.0/0", "::/0"], "::", false),
            (&["0.0.0.0/0", "::/0"], "::1", false),
            (&["0.0.0.0/0", "::/0"], "fe80::1", false),
            (&["126.0.0.0/7"], "127.0.0.1", false),
            // One of its own range does.
            (&["127.0.0.0/8"], "127.0.0.1", true),
            (&["127.0.0.1/32"], "127.0.0.1", true),
            (&["127.0.0.1/32"], "127.0.0.2", false),
            (&["169.254.0.0/16"], "169.254.1.1", true),
            (&["fe80::/64"], "fe80::1", true),
            (&["::1/128"], "::1", true),
        ] {
            let allowed: Vec<IpNet> = allowed.iter().map(|net| net.parse().unwrap()).collect();
            let found = permits(&allowed, address.parse().unwrap());
            assert_eq!(found, wanted, "{allowed:?} and {address}");
        }
    }
}
