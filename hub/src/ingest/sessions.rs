//! The open streams, as the core reaches them: nothing here waits.

use dashmap::DashMap;
use hubline::model::ClusterId;
use hubline::tls::Validity;
use hubline::wire::{HubMessage, Welcome};
use tokio::sync::mpsc;

use super::Settings;
use super::metrics::IngestMetrics;
use crate::cluster::{CloseReason, SessionId};

/// Messages that wait for one agent. The largest burst is the replay of all statuses: 1,000,000 resources in batches
/// of 50; as many nacks may come with a snapshot. Room is taken by messages that are there and by no others.
const QUEUE: usize = 40_960;

/// The open streams.
#[derive(Debug)]
pub struct Sessions {
    open: DashMap<SessionId, Handle>,
    /// Of each listed cluster that spoke since the hub's start.
    certificates: DashMap<ClusterId, Validity>,
    welcome: Welcome,
    metrics: IngestMetrics,
    next: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct Handle {
    queue: mpsc::Sender<HubMessage>,
    close: mpsc::Sender<CloseReason>,
}

/// The session's end of its queue.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) queue: mpsc::Receiver<HubMessage>,
    /// One reason is enough: the first counts.
    pub(super) close: mpsc::Receiver<CloseReason>,
}

impl Sessions {
    /// No streams yet.
    #[must_use]
    pub fn new(settings: &Settings, metrics: IngestMetrics) -> Self {
        let interval = settings.heartbeat_interval.as_millis();
        let welcome = Welcome {
            hub: settings.hub.clone(),
            capabilities: [hubline::wire::OFFER, hubline::wire::RESUME]
                .map(str::to_owned)
                .to_vec(),
            heartbeat_interval_ms: u64::try_from(interval).unwrap_or(u64::MAX),
        };
        Self {
            open: DashMap::new(),
            certificates: DashMap::new(),
            welcome,
            metrics,
            next: 1.into(),
        }
    }

    /// How many streams are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Accepts a session's hello.
    pub fn welcome(&self, session: SessionId) {
        self.send(session, HubMessage::Welcome(self.welcome.clone()));
    }

    /// Sends a message. A session that is gone gets none; one whose queue is full is closed: its agent comes again,
    /// and what it has to know is told from the beginning.
    pub fn send(&self, session: SessionId, message: HubMessage) {
        let Some(handle) = self.open.get(&session) else {
            return;
        };
        self.metrics.sent(&message);
        if let Err(mpsc::error::TrySendError::Full(_)) = handle.queue.try_send(message) {
            handle.close(CloseReason::TooSlow);
        }
    }

    /// Ends a session.
    pub fn close(&self, session: SessionId, reason: CloseReason) {
        if let Some(handle) = self.open.get(&session) {
            handle.close(reason);
        }
    }

    /// Ends all sessions.
    pub fn close_all(&self, reason: &CloseReason) {
        // In the order in which they came: a simulation that runs twice does the same twice.
        let mut sessions: Vec<SessionId> = self.open.iter().map(|handle| *handle.key()).collect();
        sessions.sort_unstable();
        for session in sessions {
            self.close(session, reason.clone());
        }
    }

    /// The certificate that a cluster's agent showed last; it stays known when the agent is gone.
    #[must_use]
    pub fn certificate(&self, cluster: &ClusterId) -> Option<Validity> {
        self.certificates.get(cluster).map(|it| *it)
    }

    pub(super) fn showed(&self, cluster: &ClusterId, certificate: Validity) {
        self.certificates.insert(cluster.clone(), certificate);
        self.metrics.certificate(cluster, certificate);
    }

    pub(super) fn open(&self) -> (SessionId, Mailbox) {
        let session = SessionId(self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (queue, messages) = mpsc::channel(QUEUE);
        let (close, reasons) = mpsc::channel(1);
        self.open.insert(session, Handle { queue, close });
        self.metrics.sessions(self.open.len());
        let mailbox = Mailbox {
            queue: messages,
            close: reasons,
        };
        (session, mailbox)
    }

    pub(super) fn forget(&self, session: SessionId) {
        self.open.remove(&session);
        self.metrics.sessions(self.open.len());
    }
}

impl Handle {
    fn close(&self, reason: CloseReason) {
        // Full: it is being closed already. Gone: it is closed.
        drop(self.close.try_send(reason));
    }
}
