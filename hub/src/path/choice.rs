//! Which path a cluster takes: pure choice over the health of its paths, people's orders and the guards.
//!
//! A path that is hard down is left at once if another one works. Moves between paths that work obey minimum hold,
//! damping, cap and failback delay. No automation leaves a cluster without a path.

mod improve;

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;

use super::PathKind;
use super::damping::Guards;
use super::decision::{HeldBy, SwitchReason};
use super::evidence::Moment;
use super::health::{Health, Verdict};
use super::orders::OrderId;
use super::parameters::FailoverParameters;

/// One path of a cluster.
#[derive(Debug, Clone)]
pub(super) struct PathState {
    pub(super) name: Arc<str>,
    pub(super) kind: PathKind,
    pub(super) rank: u8,
    pub(super) health: Health,
    /// Since when the verdict is held.
    pub(super) since: Timestamp,
    pub(super) drained: Option<OrderId>,
}

impl PathState {
    /// Whether it is up or degraded.
    pub(super) fn works(&self) -> bool {
        self.health.verdict() != Verdict::Down
    }

    /// Down by evidence of this run; what was restored is no proof.
    pub(super) fn hard_down(&self) -> bool {
        !self.works() && self.health.verified()
    }

    fn usable(&self) -> bool {
        self.works() && self.drained.is_none()
    }

    /// Good enough to leave a path that works for it.
    fn attractive(&self, now: Moment) -> bool {
        let health = &self.health;
        self.drained.is_none() && health.verdict() == Verdict::Up && health.verified() && health.fresh(now)
    }
}

/// All that the choice rests on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    /// Sorted by rank and name; not empty.
    pub(super) paths: &'a [PathState],
    pub(super) active: usize,
    /// Why the active one was switched to.
    pub(super) why: Option<SwitchReason>,
    pub(super) parameters: &'a FailoverParameters,
    pub(super) guards: &'a Guards,
    pub(super) pin: Option<(OrderId, usize)>,
    pub(super) freeze: Option<OrderId>,
    pub(super) suspected: bool,
    pub(super) now: Moment,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Stay,
    Held(Hold),
    Move { to: usize, why: SwitchReason },
}

/// What keeps a cluster on its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// None: no path works.
    pub(super) wanted: Option<usize>,
    pub(super) by: HeldBy,
    pub(super) until: Option<Moment>,
}

/// What would be done if nothing held it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Stay,
    Move {
        to: usize,
        why: SwitchReason,
        urgency: Urgency,
    },
    /// For the failback.
    Wait {
        to: usize,
        by: HeldBy,
        until: Option<Moment>,
    },
    NothingWorks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// People said so: not even suspicion and freeze, which are about automation, stop it.
    Ordered,
    /// The path is hard down: no guard stops it.
    HardDown,
    /// Both paths work.
    None,
}

/// Chooses.
pub(super) fn choose(situation: &Situation<'_>) -> Choice {
    let wish = situation.wish();
    if let Some((order, to)) = situation.pin {
        let why = SwitchReason::Pinned;
        return if to == situation.active {
            held(wish, HeldBy::Pin(order))
        } else {
            Choice::Move { to, why }
        };
    }
    let frozen = match (situation.freeze, situation.suspected) {
        (Some(order), _) => Some(HeldBy::Freeze(order)),
        (None, true) => Some(HeldBy::Suspicion),
        (None, false) => None,
    };
    match (wish, frozen) {
        (
            Wish::Move {
                to,
                why,
                urgency: Urgency::Ordered,
            },
            _,
        ) => Choice::Move { to, why },
        (_, Some(by)) => held(wish, by),
        (Wish::Move { to, why, urgency }, None) => situation.unless_barred(to, why, urgency),
        (Wish::Wait { to, by, until }, None) => Choice::Held(Hold {
            wanted: Some(to),
            by,
            until,
        }),
        (Wish::NothingWorks, None) => held(wish, HeldBy::AllPathsDown),
        (Wish::Stay, None) => Choice::Stay,
    }
}

/// All paths, the best first; the active one leads, whatever it is.
pub(super) fn order(paths: &[PathState], active: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..paths.len()).collect();
    let class = |at: usize| (Reverse(paths[at].works()), paths[at].drained.is_some());
    order.sort_by_key(|at| (*at != active, class(*at), paths[*at].health.verdict(), *at));
    order
}

/// The active path is down.
fn left_for(to: usize) -> Wish {
    Wish::Move {
        to,
        why: SwitchReason::Down,
        urgency: Urgency::HardDown,
    }
}

fn held(wish: Wish, by: HeldBy) -> Choice {
    let wanted = match wish {
        Wish::Stay => return Choice::Stay,
        Wish::Move { to, .. } | Wish::Wait { to, .. } => Some(to),
        Wish::NothingWorks => None,
    };
    // That no path works is said even under an order: it is the worse news.
    let by = if wanted.is_none() { HeldBy::AllPathsDown } else { by };
    Choice::Held(Hold {
        wanted,
        by,
        until: None,
    })
}

impl Situation<'_> {
    fn unless_barred(&self, to: usize, why: SwitchReason, urgency: Urgency) -> Choice {
        let bar = self.guards.bar(self.parameters, self.now);
        match bar.filter(|_| urgency == Urgency::None) {
            None => Choice::Move { to, why },
            Some((by, until)) => Choice::Held(Hold {
                wanted: Some(to),
                by,
                until: Some(until),
            }),
        }
    }

    fn wish(&self) -> Wish {
        let active = &self.paths[self.active];
        if active.hard_down() {
            self.leave_down()
        } else if !active.works() {
            // Restored as down, which is no proof; but another one proved to work.
            self.best(|path| path.attractive(self.now)).map_or(Wish::Stay, left_for)
        } else if active.drained.is_some() && self.others().any(|(_, path)| path.usable()) {
            self.leave_drained()
        } else {
            self.improve()
        }
    }

    fn leave_down(&self) -> Wish {
        if let Some(to) = self.best(PathState::usable) {
            return left_for(to);
        }
        let working_but_drained = self.best(PathState::works);
        working_but_drained.map_or(Wish::NothingWorks, |to| Wish::Move {
            to,
            why: SwitchReason::LastResort,
            urgency: Urgency::HardDown,
        })
    }

    /// Came here as a last resort: people's order is old, and going back is the machine's own move.
    fn leave_drained(&self) -> Wish {
        let own = self.why == Some(SwitchReason::LastResort);
        let urgency = if own { Urgency::None } else { Urgency::Ordered };
        let why = SwitchReason::Drained;
        self.best(PathState::usable)
            .map_or(Wish::Stay, |to| Wish::Move { to, why, urgency })
    }

    fn rank(&self) -> u8 {
        self.paths[self.active].rank
    }

    fn others(&self) -> impl Iterator<Item = (usize, &PathState)> {
        self.paths.iter().enumerate().filter(|(at, _)| *at != self.active)
    }

    /// The best other path of a sort: up before degraded, then by rank.
    fn best(&self, of: impl Fn(&PathState) -> bool) -> Option<usize> {
        let such = self.others().filter(|(_, path)| of(path));
        such.min_by_key(|(at, path)| (path.health.verdict(), *at))
            .map(|(at, _)| at)
    }
}
