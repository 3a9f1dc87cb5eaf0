//! What a link's connections share: its settings, its counters, its bandwidth.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::loss::Loss;
use tokio::sync::watch;
use tokio::time::Instant;

/// What has passed over a link since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: u64,
    /// Of those, the ones still open.
    pub open: u64,
    /// Bytes written to the upstream.
    pub to_upstream: u64,
    /// Bytes written to clients.
    pub to_client: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// False: data that was read is held back.
    pub(super) moving: bool,
    /// False: nothing is read.
    pub(super) reading: bool,
    pub(super) delay: Duration,
    pub(super) limit: Option<NonZeroU64>,
    pub(super) loss: Option<Loss>,
    /// A connection ends when this is no longer what it was at its start.
    pub(super) generation: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            moving: true,
            reading: true,
            delay: Duration::ZERO,
            limit: None,
            loss: None,
            generation: 0,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    ToUpstream,
    ToClient,
}

/// A connection's view of its link.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) upstream: SocketAddr,
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) counts: Arc<Counts>,
    bandwidth: Arc<[Bandwidth; 2]>,
}

impl Shared {
    pub(super) fn new(upstream: SocketAddr, settings: watch::Receiver<Settings>, counts: Arc<Counts>) -> Self {
        let bandwidth = Arc::default();
        Self {
            upstream,
            settings,
            counts,
            bandwidth,
        }
    }

    pub(super) fn bandwidth(&self, direction: Direction) -> &Bandwidth {
        &self.bandwidth[direction as usize]
    }
}

/// The next moment at which one direction of the link is free.
#[derive(Debug, Default)]
pub(super) struct Bandwidth(Mutex<Option<Instant>>);

impl Bandwidth {
    /// Takes the line for `bytes` at `rate` bytes a second; returns when they are through.
    pub(super) fn reserve(&self, bytes: usize, rate: NonZeroU64) -> Instant {
        let nanoseconds = (bytes as u128) * 1_000_000_000 / u128::from(rate.get());
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let now = Instant::now();
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let through = free.map_or(now, |free| free.max(now)) + cost;
        *free = Some(through);
        through
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    accepted: AtomicU64,
    ended: AtomicU64,
    bytes: [AtomicU64; 2],
}

impl Counts {
    pub(super) fn moved(&self, direction: Direction, bytes: usize) {
        self.bytes[direction as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a connection until the guard is dropped.
    pub(super) fn connection(self: Arc<Self>) -> Open {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        Open { counts: self, number }
    }

    pub(super) fn read(&self) -> Counters {
        // In this order, so that a connection that ends meanwhile never makes `open` negative.
        let ended = self.ended.load(Ordering::Relaxed);
        let connections = self.accepted.load(Ordering::Relaxed);
        let bytes = |direction| self.bytes[direction as usize].load(Ordering::Relaxed);
        Counters {
            connections,
            open: connections.saturating_sub(ended),
            to_upstream: bytes(Direction::ToUpstream),
            to_client: bytes(Direction::ToClient),
        }
    }
}

pub(super) struct Open {
    counts: Arc<Counts>,
    /// how many connections came before this one
    pub(super) number: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }
}
