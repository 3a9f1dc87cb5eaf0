//! Asking the agent's echo over one kept connection a path.
//!
//! A question is written at once, also while others are unanswered; answers come in their order. When a connection
//! breaks, a new one is made at once, for the same question. When it does not answer in time it is given up for the next
//! questions, since TCP alone would try again only after ever longer times; those that wait for it go on waiting.

mod answer;
mod connection;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hubline::model::ClusterId;
use tokio::time::{Instant, timeout_at};

use super::judge::{EchoOutcome, Miss};
use super::sockets::{Sockets, connect};
use crate::path::evidence::ProbeFailure;
pub(super) use answer::{Answer, Head, MAX_BYTES, head};
use connection::{Broken, Connection};

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// Where the echo is, one of them suffices.
    pub(super) addresses: &'a [SocketAddr],
    /// What it must call itself.
    pub(super) expected: &'a ClusterId,
    /// What it must say.
    pub(super) nonce: &'a str,
    /// How long it has.
    pub(super) timeout: Duration,
}

/// The connection to the echo on one path.
#[derive(Debug, Default)]
pub(super) struct EchoLine {
    kept: Mutex<Option<Arc<Connection>>>,
}

impl EchoLine {
    /// Asks, over the kept connection if there is one.
    pub(super) async fn ask(&self, question: Question<'_>, sockets: &Sockets) -> EchoOutcome {
        let kept = self.kept(question.addresses);
        let Some(kept) = kept else {
            return self.ask_anew(question, sockets).await;
        };
        let deadline = Instant::now() + question.timeout;
        match timeout_at(deadline, kept.ask(question.nonce)).await {
            Ok(Ok((answer, round_trip))) => {
                let outcome = judge(&answer, round_trip, question);
                if outcome.is_err() {
                    self.give_up(&kept);
                }
                outcome
            }
            Ok(Err(Broken)) => {
                self.give_up(&kept);
                self.ask_anew(question, sockets).await
            }
            Err(_) => {
                self.give_up(&kept);
                Err(ProbeFailure::Timeout.into())
            }
        }
    }

    /// Asks over new connections to all addresses at once; the first that answers right is kept.
    pub(super) async fn ask_anew(&self, question: Question<'_>, sockets: &Sockets) -> EchoOutcome {
        let _place = sockets.place(question.timeout).await?;
        let deadline = Instant::now() + question.timeout;
        let asked = question.addresses.iter();
        let mut asked: FuturesUnordered<_> = asked.map(|address| ask_one(*address, question, deadline)).collect();
        let mut failed = Vec::new();
        while let Some(asked) = asked.next().await {
            match asked {
                Ok((connection, round_trip)) => {
                    self.keep(connection);
                    return Ok(round_trip);
                }
                Err(miss) => failed.push(miss),
            }
        }
        Err(most_telling(failed))
    }

    fn kept(&self, addresses: &[SocketAddr]) -> Option<Arc<Connection>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |kept: &&Arc<Connection>| addresses.contains(&kept.address());
        kept.as_ref().filter(fits).cloned()
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(Arc::new(connection));
    }

    /// Another one may be kept by now.
    fn give_up(&self, connection: &Arc<Connection>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, connection)) {
            *kept = None;
        }
    }
}

async fn ask_one(
    address: SocketAddr,
    question: Question<'_>,
    deadline: Instant,
) -> Result<(Connection, Duration), Miss> {
    let stream = connect(address, deadline).await?;
    let connection = Connection::new(address, stream);
    match timeout_at(deadline, connection.ask(question.nonce)).await {
        Ok(Ok((answer, round_trip))) => {
            let round_trip = judge(&answer, round_trip, question)?;
            Ok((connection, round_trip))
        }
        // Accepted, and closed without a word.
        Ok(Err(Broken)) => Err(ProbeFailure::Answer("the connection was closed".to_owned()).into()),
        Err(_) => Err(ProbeFailure::Timeout.into()),
    }
}

fn judge(answer: &Answer, round_trip: Duration, question: Question<'_>) -> EchoOutcome {
    answer.judge(question.expected, question.nonce)?;
    Ok(round_trip)
}

/// Of several addresses that failed: what says most against the path. Only where all refuse it is a refusal.
fn most_telling(failed: Vec<Miss>) -> Miss {
    let rank = |miss: &Miss| match miss {
        Miss::Bad(ProbeFailure::WrongCluster(_)) => 0,
        Miss::Bad(ProbeFailure::Timeout) => 1,
        Miss::Bad(ProbeFailure::Unreachable(_)) => 2,
        Miss::Bad(ProbeFailure::Answer(_) | ProbeFailure::Tls(_)) => 3,
        Miss::Nothing(_) => 4,
        Miss::Bad(ProbeFailure::Refused) => 5,
    };
    let worst = failed.into_iter().min_by_key(rank);
    worst.unwrap_or(Miss::Nothing(crate::path::evidence::NoData::NothingToProbe))
}
