//! 1:1 prefix mapping (NAT): clusters whose pod networks overlap are told apart by what a path shows of them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Addresses in `from` are reached at the same place within `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mapping {
    /// As the cluster knows them.
    pub from: IpNet,
    /// As they are reached; of the same family and length.
    pub to: IpNet,
}

/// The address as it is reached; the longest prefix that holds it decides, and without one it is itself.
pub(super) fn apply(mappings: &[Mapping], address: IpAddr) -> IpAddr {
    let holding = mappings.iter().filter(|mapping| mapping.from.contains(&address));
    let longest = holding.max_by_key(|mapping| mapping.from.prefix_len());
    longest.map_or(address, |mapping| mapping.apply(address))
}

impl Mapping {
    fn apply(self, address: IpAddr) -> IpAddr {
        match (self.to, address) {
            (IpNet::V4(to), IpAddr::V4(address)) => {
                let host = u32::from(address) & u32::from(to.hostmask());
                IpAddr::V4((u32::from(to.network()) | host).into())
            }
            (IpNet::V6(to), IpAddr::V6(address)) => {
                let host = u128::from(address) & u128::from(to.hostmask());
                IpAddr::V6((u128::from(to.network()) | host).into())
            }
            (IpNet::V4(_) | IpNet::V6(_), _) => address,
        }
    }
}

/// What is wrong with a path's mappings.
pub(super) fn validate(mappings: &[Mapping], field: &str, faults: &mut Vec<String>) {
    for (at, Mapping { from, to }) in mappings.iter().enumerate() {
        let family = matches!((from, to), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)));
        if !family || from.prefix_len() != to.prefix_len() {
            faults.push(format!(
                "{field}.{at}: {from} and {to} must be of the same family and length"
            ));
        }
        if mappings.iter().take(at).any(|other| other.from == *from) {
            faults.push(format!("{field}.{at}.from: {from} is listed twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(from: &str, to: &str) -> Mapping {
        Mapping {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    #[test]
    fn the_host_part_stays() {
        let mappings = [
            mapping("10.0.0.0/8", "100.0.0.0/8"),
            mapping("10.1.0.0/16", "172.20.0.0/16"),
            mapping("fd00:1::/32", "fd00:2::/32"),
        ];
        let table = [
            ("10.2.3.4", "100.2.3.4"),
            ("10.1.3.4", "172.20.3.4"),
            ("192.0.2.1", "192.0.2.1"),
            ("fd00:1::7", "fd00:2::7"),
        ];
        for (given, wanted) in table {
            let mapped = apply(&mappings, given.parse().unwrap());
            assert_eq!(mapped, wanted.parse::<IpAddr>().unwrap(), "{given}");
        }
    }

    #[test]
    fn families_and_lengths_agree() {
        let mut faults = Vec::new();
        let wrong = [
            mapping("10.0.0.0/8", "100.0.0.0/16"),
            mapping("10.0.0.0/8", "fd00::/8"),
            mapping("10.1.0.0/16", "10.2.0.0/16"),
        ];
        validate(&wrong, "m", &mut faults);
        assert_eq!(faults.len(), 3, "{faults:?}");
    }
}
