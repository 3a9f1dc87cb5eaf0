//! What the listeners and the handle of one stand-in share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use super::admin::{AdminRequest, Answer, Keys, handle};
use super::calls::{Call, CallLog};
use super::faults::Faults;
use super::options::StandInOptions;
use super::state::{State, Timer};

/// The parts that are shared, each behind its own lock; none is held over an await.
#[derive(Debug)]
pub(crate) struct Shared {
    keys: Keys,
    state: Mutex<State>,
    calls: Mutex<CallLog>,
    pub(crate) faults: Arc<Mutex<Faults>>,
    /// counts what tests can wait for: calls and changes
    pub(crate) changes: watch::Sender<u64>,
    /// whether objects outlive their time to live, until it is false again
    pub(crate) expiry_held: watch::Sender<bool>,
}

/// A lock whose holder panicked is taken all the same: the test that did it fails anyway.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(options: &StandInOptions) -> Self {
        let (admin, viewer) = (options.admin_key.clone(), options.viewer_key.clone());
        Self {
            keys: Keys { admin, viewer },
            state: Mutex::new(State::new(options.first_revision)),
            calls: Mutex::new(CallLog::new(options.keep_calls)),
            faults: Arc::default(),
            changes: watch::Sender::new(0),
            expiry_held: watch::Sender::new(false),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn calls(&self) -> MutexGuard<'_, CallLog> {
        lock(&self.calls)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn record(&self, call: Call) {
        self.calls().push(call);
        self.changed();
    }

    /// Answers an Admin API request; objects with an end of life get their timer. Whoever sees what it did sees it in the
    /// record, too.
    pub(crate) fn answer(self: &Arc<Self>, request: &AdminRequest<'_>, call: impl FnOnce(&Answer) -> Call) -> Answer {
        let (answer, timers) = {
            let mut state = self.state();
            let answer = handle(&mut state, &self.keys, request);
            self.record(call(&answer));
            (answer, state.take_timers())
        };
        for timer in timers {
            tokio::spawn(Arc::clone(self).expire(timer));
        }
        answer
    }

    async fn expire(self: Arc<Self>, timer: Timer) {
        tokio::time::sleep_until(timer.at).await;
        let mut held = self.expiry_held.subscribe();
        // The sender is this stand-in's own: it cannot be gone.
        drop(held.wait_for(|held| !held).await);
        let expired = self.state().expire(timer.kind, &timer.id, Instant::now());
        if expired {
            self.changed();
        }
    }
}
