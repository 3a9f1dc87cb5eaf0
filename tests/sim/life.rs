//! One run of a process, which can be ended between any two polls of its tasks.
//!
//! A task that a library spawned cannot be dropped from outside. It need not be: what a dead process does has no effect,
//! since its streams, its disk and its target ask here first, and its own tasks are dropped.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::lock;

/// One run of a process; cloning shares.
#[derive(Debug, Clone)]
pub(crate) struct Life(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    name: String,
    dead: bool,
    /// Polls of its tasks until it dies.
    polls_left: Option<u64>,
    polls: u64,
    tasks: Vec<Waker>,
}

impl Life {
    pub(crate) fn begin(name: String) -> Self {
        Self(Arc::new(Mutex::new(State {
            name,
            dead: false,
            polls_left: None,
            polls: 0,
            tasks: Vec::new(),
        })))
    }

    pub(crate) fn name(&self) -> String {
        lock(&self.0).name.clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        lock(&self.0).dead
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ends before its tasks are polled so many times more.
    pub(crate) fn end_after(&self, polls: u64) {
        lock(&self.0).polls_left = Some(polls);
        self.wake();
    }

    pub(crate) fn end(&self) {
        lock(&self.0).dead = true;
        self.wake();
    }

    /// Returns when it is over.
    pub(crate) async fn over(&self) {
        poll_fn(|context| {
            let mut state = lock(&self.0);
            if state.dead {
                return Poll::Ready(());
            }
            state.note(context);
            Poll::Pending
        })
        .await;
    }

    /// How often its tasks were polled.
    pub(crate) fn polls(&self) -> u64 {
        lock(&self.0).polls
    }

    fn wake(&self) {
        for waker in std::mem::take(&mut lock(&self.0).tasks) {
            waker.wake();
        }
    }

    /// Spawns a task of this process.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(Mortal {
            life: self.clone(),
            task: Some(Box::pin(task)),
        });
    }

    /// Counts one poll of a task; whether it may still happen.
    fn may_poll(&self, context: &Context<'_>) -> bool {
        let mut state = lock(&self.0);
        state.polls += 1;
        if let Some(left) = &mut state.polls_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.dead = true;
            }
        }
        if state.dead {
            drop(state);
            self.wake();
            return false;
        }
        state.note(context);
        true
    }
}

impl State {
    fn note(&mut self, context: &Context<'_>) {
        if !self.tasks.iter().any(|waker| waker.will_wake(context.waker())) {
            self.tasks.push(context.waker().clone());
        }
    }
}

/// A task that is dropped when its process ends.
struct Mortal {
    life: Life,
    task: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Future for Mortal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.life.may_poll(context) {
            self.task = None;
            return Poll::Ready(());
        }
        match &mut self.task {
            Some(task) => task.as_mut().poll(context),
            None => Poll::Ready(()),
        }
    }
}
