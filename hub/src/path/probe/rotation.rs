//! Which endpoints are asked next. Pure.

use std::sync::Arc;

use super::spec::Sample;

/// Endpoints that confirm a line: four on different nodes are hardly ever dead together.
pub const MOST_SAMPLES: usize = 4;

/// Up to `most` endpoints from `cursor` on and around, on different nodes as long as there are such, and where the next
/// search begins. Costs a look at each endpoint only where nodes are few.
#[must_use]
pub fn pick(samples: &[Sample], cursor: usize, most: usize) -> (Vec<Sample>, usize) {
    let count = samples.len();
    let mut picked: Vec<usize> = Vec::with_capacity(most);
    let mut spare: Vec<usize> = Vec::with_capacity(most);
    for at in (0..count).map(|step| (cursor % count + step) % count) {
        if picked.len() == most {
            break;
        }
        let known = picked.iter().any(|other| same_node(&samples[*other], &samples[at]));
        match known {
            false => picked.push(at),
            true if spare.len() < most => spare.push(at),
            true => {}
        }
    }
    picked.extend(spare.into_iter().take(most - picked.len()));
    let next = picked.last().map_or(0, |last| (last + 1) % count);
    (picked.into_iter().map(|at| samples[at].clone()).collect(), next)
}

fn same_node(one: &Sample, other: &Sample) -> bool {
    match (&one.node, &other.node) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.address.ip() == other.address.ip(),
        _ => false,
    }
}

impl Sample {
    /// What stands for its node.
    pub(super) fn node_name(&self) -> Arc<str> {
        let own = || self.address.ip().to_string().into();
        self.node.clone().unwrap_or_else(own)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn samples(nodes: &[&str]) -> Vec<Sample> {
        let sample = |(at, node): (usize, &&str)| Sample {
            address: format!("10.0.0.{at}:80").parse().unwrap(),
            node: (!node.is_empty()).then(|| (*node).into()),
        };
        nodes.iter().enumerate().map(sample).collect()
    }

    fn picked(nodes: &[&str], cursor: usize) -> (Vec<usize>, usize) {
        let samples = samples(nodes);
        let (picked, next) = pick(&samples, cursor, MOST_SAMPLES);
        let position = |it: &Sample| samples.iter().position(|other| other == it).unwrap();
        (picked.iter().map(position).collect(), next)
    }

    #[test]
    fn nodes_differ_as_long_as_there_are_such() {
        for (nodes, cursor, wanted) in [
            (&[][..], 0, (vec![], 0)),
            (&["a"], 7, (vec![0], 0)),
            (&["a", "a", "b", "b", "c", "d", "e"], 0, (vec![0, 2, 4, 5], 6)),
            (&["a", "a", "b", "b", "c", "d", "e"], 6, (vec![6, 0, 2, 4], 5)),
            // Fewer nodes than are wanted: others of theirs fill up.
            (&["a", "a", "a", "b", "a", "a"], 1, (vec![1, 3, 2, 4], 5)),
            (&["a", "a"], 0, (vec![0, 1], 0)),
            // Without nodes each address is one.
            (&["", "", "", "", ""], 3, (vec![3, 4, 0, 1], 2)),
        ] {
            assert_eq!(picked(nodes, cursor), wanted, "{nodes:?} from {cursor}");
        }
    }

    proptest! {
        #[test]
        fn every_endpoint_has_its_turn(nodes in prop::collection::vec(0..5_u8, 1..30)) {
            let nodes: Vec<_> = nodes.iter().map(ToString::to_string).collect();
            let samples = samples(&nodes.iter().map(String::as_str).collect::<Vec<_>>());
            let distinct: BTreeSet<_> = nodes.iter().collect();
            let (mut asked, mut cursor) = (BTreeSet::new(), 0);
            for _ in 0..samples.len() * samples.len() {
                let (some, next) = pick(&samples, cursor, MOST_SAMPLES);
                prop_assert_eq!(some.len(), samples.len().min(MOST_SAMPLES));
                let on: BTreeSet<_> = some.iter().map(|it| it.node.clone()).collect();
                prop_assert_eq!(on.len(), distinct.len().min(MOST_SAMPLES));
                asked.extend(some.iter().map(|it| it.node.clone()));
                cursor = next;
            }
            prop_assert_eq!(asked.len(), distinct.len());
        }
    }
}
