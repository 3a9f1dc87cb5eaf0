//! Clusters whose pod networks overlap as they are reached: APISIX knows nodes by `host:port`, so the same address in two
//! clusters is one node to it, and one path leads to the wrong cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hubline::model::{ClusterId, ClusterInfo};
use ipnet::IpNet;

use super::routing::Routing;
use crate::path::{Path, Reach};

/// What overlaps with other clusters, by cluster.
pub(super) type Overlaps = BTreeMap<ClusterId, BTreeSet<Overlap>>;

/// A network that another cluster has, too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Overlap {
    /// As it is reached.
    network: IpNet,
    /// The other cluster.
    with: ClusterId,
    /// The other cluster's network.
    theirs: IpNet,
}

impl std::fmt::Display for Overlap {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { network, with, theirs } = self;
        write!(
            out,
            "pod network {network} overlaps with {theirs} of cluster {with}: the same address leads to one of them alone; \
             reach one of the clusters by another way, or map its addresses (clusters[].paths[].mapping)"
        )
    }
}

/// The networks of a cluster's pods as its paths show them.
pub(super) fn networks(info: &ClusterInfo, routing: &Routing) -> BTreeSet<IpNet> {
    let paths = routing.paths.iter().filter(|path| path.reach == Reach::Pods);
    let networks = || {
        info.pod_networks
            .iter()
            .filter_map(|network| network.parse::<IpNet>().ok())
    };
    paths
        .flat_map(|path| networks().map(|network| shown(path, network)))
        .collect()
}

fn shown(path: &Path, network: IpNet) -> IpNet {
    let address = path.mapped(network.network());
    let mapped = path.mapping.iter().any(|mapping| mapping.from.contains(&network));
    match IpNet::new(address, network.prefix_len()) {
        Ok(shown) if mapped => shown,
        _ => network.trunc(),
    }
}

/// All overlaps: networks sorted by where they begin, each compared with those that are still open there.
pub(super) fn overlaps(networks: &BTreeMap<ClusterId, BTreeSet<IpNet>>) -> Overlaps {
    let all = networks
        .iter()
        .flat_map(|(cluster, of)| of.iter().map(move |network| (*network, cluster)));
    let mut sorted: Vec<(IpNet, &ClusterId)> = all.collect();
    sorted.sort_by_key(|(network, cluster)| (network.network(), network.prefix_len(), *cluster));
    let mut found = Overlaps::new();
    let mut open: Vec<(IpNet, &ClusterId)> = Vec::new();
    for (network, cluster) in sorted {
        // Networks either hold each other or are apart.
        open.retain(|(wider, _)| ends_behind(*wider, network.network()));
        for (wider, other) in open.iter().filter(|(_, other)| *other != cluster) {
            note(&mut found, cluster, network, other, *wider);
            note(&mut found, other, *wider, cluster, network);
        }
        open.push((network, cluster));
    }
    found
}

fn ends_behind(network: IpNet, address: IpAddr) -> bool {
    network.contains(&address)
}

fn note(found: &mut Overlaps, cluster: &ClusterId, network: IpNet, with: &ClusterId, theirs: IpNet) {
    found.entry(cluster.clone()).or_default().insert(Overlap {
        network,
        with: with.clone(),
        theirs,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{Allowed, Mapping};

    fn id(name: &str) -> ClusterId {
        ClusterId::new(name).unwrap()
    }

    fn of(table: &[(&str, &[&str])]) -> Vec<String> {
        let nets = |nets: &[&str]| nets.iter().map(|net| net.parse().unwrap()).collect();
        let networks = table.iter().map(|(cluster, of)| (id(cluster), nets(of))).collect();
        let found = overlaps(&networks);
        let short = found.iter().flat_map(|(cluster, of)| {
            of.iter()
                .map(move |it| format!("{cluster} {} {} {}", it.network, it.with, it.theirs))
        });
        short.collect()
    }

    #[test]
    fn networks_of_two_clusters_meet() {
        assert_eq!(
            of(&[("a", &["10.0.0.0/16"]), ("b", &["10.1.0.0/16", "fd00::/48"])]),
            [""; 0]
        );
        let same = of(&[("a", &["10.0.0.0/16"]), ("b", &["10.0.0.0/16"])]);
        assert_eq!(same, ["a 10.0.0.0/16 b 10.0.0.0/16", "b 10.0.0.0/16 a 10.0.0.0/16"]);
        let within = of(&[
            ("a", &["10.0.7.0/24", "10.9.0.0/24"]),
            ("b", &["10.0.0.0/16", "10.8.0.0/24"]),
        ]);
        assert_eq!(within, ["a 10.0.7.0/24 b 10.0.0.0/16", "b 10.0.0.0/16 a 10.0.7.0/24"]);
        assert_eq!(
            of(&[("a", &["10.0.0.0/16", "10.0.1.0/24"])]),
            [""; 0],
            "a cluster with itself"
        );
    }

    #[test]
    fn a_mapping_takes_them_apart() {
        let path = Path {
            mapping: vec![Mapping {
                from: "10.0.0.0/8".parse().unwrap(),
                to: "100.0.0.0/8".parse().unwrap(),
            }],
            ..Path::direct()
        };
        let info = ClusterInfo {
            pod_networks: vec!["10.3.0.0/16".to_owned(), "no network".to_owned()],
            ..ClusterInfo::default()
        };
        let shown = networks(&info, &Routing::new(vec![path], Allowed::default()));
        assert_eq!(shown, ["100.3.0.0/16".parse().unwrap()].into());
        let straight = networks(&info, &Routing::direct());
        assert_eq!(straight, ["10.3.0.0/16".parse().unwrap()].into());
    }
}
