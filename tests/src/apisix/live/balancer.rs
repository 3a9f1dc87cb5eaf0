//! Smooth weighted round robin, one round per priority.
//!
//! Lower priorities are used only when a request has tried all of the higher ones. Nodes are keyed
//! by host and port: of the same address the last entry counts. Weight 0 takes a node out, unless
//! all nodes of its priority have it: then they share equally.

use std::collections::{BTreeMap, BTreeSet};

use super::upstream::Node;

/// The nodes that one request has tried, by host and port.
pub(crate) type Tried = BTreeSet<(String, u16)>;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Balancer {
    /// best priority first
    tiers: Vec<Vec<Share>>,
    /// a single node is tried again and again
    single: Option<Node>,
}

#[derive(Debug)]
struct Share {
    node: Node,
    weight: i64,
    current: i64,
}

impl Balancer {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let single = if let [node] = nodes.as_slice() {
            Some(node.clone())
        } else {
            None
        };
        let unique: BTreeMap<(String, u16), Node> = nodes
            .into_iter()
            .map(|node| ((node.host.clone(), node.port), node))
            .collect();
        let mut tiers: BTreeMap<i64, Vec<Node>> = BTreeMap::new();
        for node in unique.into_values() {
            tiers.entry(node.priority).or_default().push(node);
        }
        Self {
            tiers: tiers.into_values().rev().map(shares).collect(),
            single,
        }
    }

    /// The next node that is not among `tried`, which takes it in.
    pub(crate) fn pick(&mut self, tried: &mut Tried) -> Option<Node> {
        if let Some(node) = &self.single {
            return Some(node.clone());
        }
        let node = self.tiers.iter_mut().find_map(|tier| pick_in(tier, tried))?;
        tried.insert((node.host.clone(), node.port));
        Some(node)
    }
}

fn shares(nodes: Vec<Node>) -> Vec<Share> {
    let equal = nodes.iter().all(|node| node.weight == 0);
    let share = |node: Node| {
        let weight = if equal {
            1
        } else {
            i64::try_from(node.weight).unwrap_or(i64::MAX)
        };
        Share {
            node,
            weight,
            current: 0,
        }
    };
    nodes.into_iter().map(share).filter(|share| share.weight > 0).collect()
}

fn pick_in(tier: &mut [Share], tried: &Tried) -> Option<Node> {
    let free = |share: &&mut Share| !tried.contains(&(share.node.host.clone(), share.node.port));
    let mut total = 0_i64;
    let mut best: Option<&mut Share> = None;
    for share in tier.iter_mut().filter(free) {
        share.current = share.current.saturating_add(share.weight);
        total = total.saturating_add(share.weight);
        if best.as_ref().is_none_or(|best| share.current > best.current) {
            best = Some(share);
        }
    }
    let best = best?;
    best.current = best.current.saturating_sub(total);
    Some(best.node.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// host, weight, priority
    type Row<'a> = (&'a str, u64, i64);

    fn balancer(nodes: &[Row<'_>]) -> Balancer {
        let node = |(host, weight, priority): &Row<'_>| Node {
            host: (*host).to_owned(),
            port: 1,
            weight: *weight,
            priority: *priority,
        };
        Balancer::new(nodes.iter().map(node).collect())
    }

    fn turns(balancer: &mut Balancer, count: usize) -> String {
        let mut turn = || {
            balancer
                .pick(&mut Tried::new())
                .map_or("-".to_owned(), |node| node.host)
        };
        (0..count).map(|_| turn()).collect()
    }

    #[test]
    fn weights_are_kept_smoothly() {
        let table: [(&[Row<'_>], &str); 7] = [
            (&[("a", 5, 0), ("b", 1, 0), ("c", 1, 0)], "aabacaa"),
            (&[("a", 1, 0), ("b", 1, 0)], "abababa"),
            (&[("a", 1, 0), ("b", 0, 0)], "aaaaaaa"),
            (&[("a", 0, 0), ("b", 0, 0)], "abababa"),
            (&[("a", 1, -1), ("b", 1, 0)], "bbbbbbb"),
            (&[("a", 0, 0)], "aaaaaaa"),
            (&[], "-------"),
        ];
        for (nodes, wanted) in table {
            assert_eq!(turns(&mut balancer(nodes), 7), wanted, "{nodes:?}");
        }
    }

    #[test]
    fn the_same_address_counts_once_with_its_last_weight() {
        assert_eq!(
            turns(&mut balancer(&[("a", 9, 0), ("b", 1, 0), ("a", 1, 0)]), 4),
            "abab"
        );
    }

    #[test]
    fn a_request_goes_down_the_priorities() {
        let mut balancer = balancer(&[("a", 1, 1), ("b", 1, 1), ("c", 1, 0)]);
        let mut tried = Tried::new();
        let order: Vec<_> = (0..4)
            .map(|_| balancer.pick(&mut tried).map(|node| node.host))
            .collect();
        let wanted = ["a", "b", "c"].map(|host| Some(host.to_owned()));
        assert_eq!(order, [&wanted[..], &[None]].concat());
    }
}
