//! Smooth weighted round robin: over any number of turns each share comes as often as its weight
//! says, evenly spread.

/// Whose turn it is, among shares that are known by their index.
#[derive(Debug, Default)]
pub(super) struct Turns {
    shares: Vec<Share>,
}

#[derive(Debug)]
struct Share {
    weight: u64,
    current: i64,
}

impl Turns {
    pub(super) fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let share = |weight| Share { weight, current: 0 };
        Self {
            shares: weights.into_iter().map(share).collect(),
        }
    }

    /// The next of the usable shares that is still free. Weight 0 gives no turn, unless all usable
    /// shares have it: then they share equally.
    pub(super) fn next(&mut self, usable: impl Fn(usize) -> bool, free: impl Fn(usize) -> bool) -> Option<usize> {
        let all = self.shares.iter().enumerate();
        let equal = all
            .filter(|(index, _)| usable(*index))
            .all(|(_, share)| share.weight == 0);
        let (mut total, mut best) = (0_i64, None::<(usize, i64)>);
        for (index, share) in self.shares.iter_mut().enumerate() {
            let weight = if equal { 1 } else { share.weight };
            if weight == 0 || !usable(index) || !free(index) {
                continue;
            }
            let weight = i64::try_from(weight).unwrap_or(i64::MAX);
            share.current = share.current.saturating_add(weight);
            total = total.saturating_add(weight);
            if best.is_none_or(|(_, current)| share.current > current) {
                best = Some((index, share.current));
            }
        }
        let (index, _) = best?;
        let share = self.shares.get_mut(index)?;
        share.current = share.current.saturating_sub(total);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[u64], usable: &[usize], count: usize) -> String {
        let mut turns = Turns::new(weights.iter().copied());
        let mut turn = || turns.next(|index| usable.contains(&index), |_| true);
        let shown = (0..count).map(|_| turn().map_or("-".to_owned(), |index| index.to_string()));
        shown.collect()
    }

    #[test]
    fn weights_are_kept_smoothly_among_the_usable() {
        let table: [(&[u64], &[usize], &str); 7] = [
            (&[5, 1, 1], &[0, 1, 2], "0010200"),
            (&[5, 1, 1], &[1, 2], "1212121"),
            (&[1, 0], &[0, 1], "0000000"),
            (&[1, 0], &[1], "1111111"),
            (&[0, 0], &[0, 1], "0101010"),
            (&[1, 1], &[], "-------"),
            (&[], &[], "-------"),
        ];
        for (weights, usable, wanted) in table {
            assert_eq!(turns(weights, usable, 7), wanted, "{weights:?} {usable:?}");
        }
    }

    /// Three rules' weights combined, as a ramp has them.
    #[test]
    fn two_hundred_turns_are_exact() {
        let order = turns(&[2, 3, 15], &[0, 1, 2], 200);
        let count = |share: char| order.chars().filter(|turn| *turn == share).count();
        assert_eq!([count('0'), count('1'), count('2')], [20, 30, 150]);
    }
}
