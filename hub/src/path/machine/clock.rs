//! The machine's own clock and the wall clock side by side: the last time both were told.

use jiff::{SignedDuration, Timestamp};

use crate::path::evidence::Moment;

#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    moment: Moment,
    wall: Timestamp,
}

impl Clock {
    pub(super) fn new(moment: Moment, wall: Timestamp) -> Self {
        Self { moment, wall }
    }

    /// The wall-clock time of a moment.
    pub(super) fn wall(&self, moment: Moment) -> Timestamp {
        let ahead = self
            .wall
            .saturating_add(moment.since(self.moment))
            .unwrap_or(Timestamp::MAX);
        ahead
            .saturating_sub(self.moment.since(moment))
            .unwrap_or(Timestamp::MIN)
    }

    /// The moment of a wall-clock time that is to come; the last one told, if it is over.
    pub(super) fn moment(&self, wall: Timestamp) -> Moment {
        let ahead = wall.duration_since(self.wall).max(SignedDuration::ZERO);
        self.moment.after(ahead.unsigned_abs())
    }
}
