//! The order in which an upstream's nodes are tried: best priority first, turns inside one.
//!
//! Lower priorities are used only when a request has tried all of the higher ones, or when checks
//! say that those are down; if all nodes are down, all are used. Nodes are keyed by host and port:
//! of the same address the last entry counts. Not imitated: where a priority holds a node of weight
//! 0 beside others, the real one tries one of those others a second time before it goes down.

use std::collections::{BTreeMap, BTreeSet};

use super::turns::Turns;
use super::upstream::Node;

/// How nodes are told apart.
pub(crate) type Address = (String, u16);

/// The nodes that one request has tried.
pub(crate) type Tried = BTreeSet<Address>;

/// Whose turn it is.
#[derive(Debug)]
pub(crate) struct Balancer {
    /// best priority first
    tiers: Vec<Tier>,
    /// a single node is tried again and again
    single: Option<Node>,
}

#[derive(Debug)]
struct Tier {
    nodes: Vec<Node>,
    turns: Turns,
}

impl Balancer {
    pub(crate) fn new(nodes: Vec<Node>) -> Self {
        let single = if let [node] = nodes.as_slice() {
            Some(node.clone())
        } else {
            None
        };
        let unique: BTreeMap<Address, Node> = nodes.into_iter().map(|node| (node.address(), node)).collect();
        let mut tiers: BTreeMap<i64, Vec<Node>> = BTreeMap::new();
        for node in unique.into_values() {
            tiers.entry(node.priority).or_default().push(node);
        }
        Self {
            tiers: tiers.into_values().rev().map(Tier::new).collect(),
            single,
        }
    }

    /// All nodes, each address once.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.tiers.iter().flat_map(|tier| &tier.nodes)
    }

    /// The next node that is neither down nor among `tried`, which takes it in.
    pub(crate) fn pick(&mut self, tried: &mut Tried, down: &BTreeSet<Address>) -> Option<Node> {
        if let Some(node) = &self.single {
            return Some(node.clone());
        }
        let nothing = BTreeSet::new();
        let down = if self.nodes().all(|node| down.contains(&node.address())) {
            &nothing
        } else {
            down
        };
        let node = self.tiers.iter_mut().find_map(|tier| tier.pick(tried, down))?;
        tried.insert(node.address());
        Some(node)
    }
}

impl Tier {
    fn new(nodes: Vec<Node>) -> Self {
        Self {
            turns: Turns::new(nodes.iter().map(|node| node.weight)),
            nodes,
        }
    }

    fn pick(&mut self, tried: &Tried, down: &BTreeSet<Address>) -> Option<Node> {
        let nodes = &self.nodes;
        let is_in = |set: &BTreeSet<Address>, index: usize| {
            let node = nodes.get(index).filter(|_| !set.is_empty());
            node.is_some_and(|node| set.contains(&node.address()))
        };
        let index = self
            .turns
            .next(|index| !is_in(down, index), |index| !is_in(tried, index))?;
        nodes.get(index).cloned()
    }
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

    fn down(hosts: &str) -> BTreeSet<Address> {
        hosts.chars().map(|host| (host.to_string(), 1)).collect()
    }

    fn turns(balancer: &mut Balancer, count: usize, down: &BTreeSet<Address>) -> String {
        let mut turn = || {
            balancer
                .pick(&mut Tried::new(), down)
                .map_or("-".to_owned(), |node| node.host)
        };
        (0..count).map(|_| turn()).collect()
    }

    #[test]
    fn the_best_priority_takes_all_turns() {
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
            assert_eq!(turns(&mut balancer(nodes), 7, &down("")), wanted, "{nodes:?}");
        }
    }

    #[test]
    fn nodes_that_are_down_are_passed_over_unless_all_are() {
        let nodes: &[Row<'_>] = &[("a", 1, 1), ("b", 1, 1), ("c", 1, 0), ("z", 0, 1)];
        let table = [
            ("", "abab"),
            ("a", "bbbb"),
            // What is left of a priority is used whatever its weight.
            ("ab", "zzzz"),
            ("abz", "cccc"),
            ("abcz", "abab"),
            ("c", "abab"),
        ];
        for (hosts, wanted) in table {
            assert_eq!(turns(&mut balancer(nodes), 4, &down(hosts)), wanted, "down: {hosts}");
        }
    }

    #[test]
    fn the_same_address_counts_once_with_its_last_weight() {
        assert_eq!(
            turns(&mut balancer(&[("a", 9, 0), ("b", 1, 0), ("a", 1, 0)]), 4, &down("")),
            "abab"
        );
    }

    #[test]
    fn a_request_goes_down_the_priorities() {
        let mut balancer = balancer(&[("a", 1, 1), ("b", 1, 1), ("c", 1, 0)]);
        let mut tried = Tried::new();
        let order: Vec<_> = (0..4)
            .map(|_| balancer.pick(&mut tried, &down("")).map(|node| node.host))
            .collect();
        let wanted = ["a", "b", "c"].map(|host| Some(host.to_owned()));
        assert_eq!(order, [&wanted[..], &[None]].concat());
    }
}
