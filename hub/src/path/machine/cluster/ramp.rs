//! The ramp: the returning path takes over in steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Around, ClusterState};
use crate::path::decision::{Happened, SwitchReason};
use crate::path::evidence::Moment;
use crate::path::health::Verdict;
use crate::path::machine::event::PathEffect;

/// The active path takes over in steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ramp {
    from: usize,
    step: usize,
    pub(super) next: Moment,
}

impl ClusterState {
    pub(super) fn begin_ramp(&mut self, from: usize, why: SwitchReason, around: Around, effects: &mut Vec<PathEffect>) {
        let first = self.parameters.ramp.percents.first().copied();
        let percent = first.filter(|_| why == SwitchReason::Failback);
        self.ramp = percent.map(|_| Ramp {
            from,
            step: 0,
            next: around.now.after(self.parameters.ramp.step),
        });
        if let Some(percent) = percent {
            self.ramped(percent, around, effects);
        }
    }

    /// A ramp stands still while switches are frozen and while the returning path is not up.
    pub(super) fn may_climb(&self, around: Around) -> bool {
        let frozen = around.suspected || self.freeze.is_some();
        !frozen && self.active().health.verdict() == Verdict::Up
    }

    pub(super) fn climb(&mut self, around: Around, effects: &mut Vec<PathEffect>) {
        let Some(ramp) = self.ramp else { return };
        let source = &self.paths[ramp.from];
        let alone = source.hard_down() || source.drained.is_some();
        if !alone && (ramp.next > around.now || !self.may_climb(around)) {
            return;
        }
        let step = ramp.step + 1;
        let percent = self.parameters.ramp.percents.get(step).copied().filter(|_| !alone);
        self.ramp = percent.map(|_| Ramp {
            step,
            next: around.now.after(self.parameters.ramp.step),
            ..ramp
        });
        self.changed = true;
        self.ramped(percent.unwrap_or(100), around, effects);
    }

    fn ramped(&self, percent: u32, around: Around, effects: &mut Vec<PathEffect>) {
        let path = self.active().name.clone();
        self.happened(Happened::Ramped { path, percent }, around, effects);
    }

    pub(super) fn weights(&self) -> Option<BTreeMap<Arc<str>, u32>> {
        let ramp = self.ramp?;
        let percent = (*self.parameters.ramp.percents.get(ramp.step)?).min(100);
        let name = |at: usize| self.paths[at].name.clone();
        Some([(name(self.active), percent), (name(ramp.from), 100 - percent)].into())
    }
}
