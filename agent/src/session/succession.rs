//! A stream with renewed certificates takes over from the one before, which stays until the new one is let in.
//!
//! The hub checks the certificates of living sessions, too, and ends those that it would no longer let in: so the agent
//! moves over in time. It does not give up a stream that works for one that is refused, as when its new certificate
//! comes from an authority that the hub does not know yet.

use std::pin::pin;

use tokio::time::sleep;
use tracing::{info, warn};

use super::recover::{SessionError, long_delay};
use super::{Opened, Session};

impl Session {
    /// Runs a stream, and those that take over from it, until one ends.
    pub(super) async fn succeed(&self, first: Opened) -> SessionError {
        let mut opened = first;
        loop {
            opened = match self.run_until_succeeded(opened).await {
                Ok(successor) => successor,
                Err(error) => return error,
            };
            info!(hub = %self.name(), "renewed certificates are in use");
        }
    }

    async fn run_until_succeeded(&self, opened: Opened) -> Result<Opened, SessionError> {
        let mut running = pin!(self.exchange(opened).run());
        let mut refused = false;
        loop {
            tokio::select! {
                error = &mut running => return Err(error),
                () = self.connect.renewed() => {}
                () = sleep(long_delay(rand::random())), if refused => {}
            }
            let mut successor = pin!(self.open());
            let opened = tokio::select! {
                opened = &mut successor => opened,
                // As a rule because the hub has heard the successor's hello, and ended this stream for it.
                error = &mut running => return successor.await.map_err(|_| error),
            };
            match opened {
                Ok(successor) => return Ok(successor),
                Err(error) => {
                    warn!(hub = %self.name(), %error, "renewed certificates are not let in, the stream stays")
                }
            }
            refused = true;
        }
    }
}
