//! The open connections: bounded, without letting strangers keep the hub out.
//!
//! When all places are taken, the connection that asked longest ago gives way, and before it those that never asked
//! anything: a hub asks all the time.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::{AbortHandle, Id, JoinSet};

/// Tells when a connection was used last, on a clock that counts requests.
#[derive(Debug, Clone)]
pub(super) struct Use {
    clock: Arc<AtomicU64>,
    last: Arc<AtomicU64>,
}

impl Use {
    pub(super) fn now(&self) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        self.last.store(now, Ordering::Relaxed);
    }
}

/// See the module. Dropping it ends all of them.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    clock: Arc<AtomicU64>,
    opened: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    last: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Connections {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            tasks: JoinSet::new(),
            open: HashMap::new(),
            clock: Arc::default(),
            opened: 0,
        }
    }

    /// Begins one more; another gives way when there is no place.
    pub(super) fn begin<F>(&mut self, connection: impl FnOnce(Use) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.open.len() >= self.most {
            self.give_way();
        }
        let (clock, last) = (Arc::clone(&self.clock), Arc::<AtomicU64>::default());
        let used = Use {
            clock,
            last: Arc::clone(&last),
        };
        let task = self.tasks.spawn(connection(used));
        self.opened += 1;
        let number = self.opened;
        self.open.insert(task.id(), Open { number, last, task });
    }

    /// Ends the one that is missed least.
    pub(super) fn give_way(&mut self) {
        let least = self
            .open
            .values()
            .min_by_key(|open| (open.last.load(Ordering::Relaxed), open.number));
        let Some(task) = least.map(|open| open.task.clone()) else {
            return;
        };
        task.abort();
        self.open.remove(&task.id());
    }

    /// Waits until one has ended; for ever when there is none.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    /// Waits until all have ended.
    pub(super) async fn all_ended(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn numbers(connections: &Connections) -> Vec<u64> {
        let mut numbers: Vec<_> = connections.open.values().map(|open| open.number).collect();
        numbers.sort_unstable();
        numbers
    }

    #[tokio::test]
    async fn who_asks_stays_and_who_never_asked_goes_first() {
        let mut connections = Connections::new(3);
        let mut uses = Vec::new();
        for _ in 0..3 {
            connections.begin(|used| {
                uses.push(used);
                pending()
            });
        }
        // The first asked longest ago, the third not at all.
        uses[0].now();
        uses[1].now();
        connections.begin(|_| pending());
        assert_eq!(numbers(&connections), [1, 2, 4]);
        connections.begin(|used| {
            used.now();
            pending()
        });
        assert_eq!(numbers(&connections), [1, 2, 5]);
        connections.begin(|_| pending());
        assert_eq!(numbers(&connections), [2, 5, 6]);
    }

    #[tokio::test]
    async fn what_has_ended_leaves_nothing_behind() {
        let mut connections = Connections::new(2);
        for _ in 0..5 {
            connections.begin(|_| async {});
            connections.ended().await;
        }
        connections.begin(|_| pending());
        connections.give_way();
        connections.ended().await;
        assert!(connections.open.is_empty() && connections.tasks.is_empty());
    }
}
