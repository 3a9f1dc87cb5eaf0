//! The certificate that an agent showed, and whether it would still be let in with it.
//!
//! A session lives for weeks. It must not outlive what it was let in for: a certificate that ends, and an authority that
//! the operator takes away, which is the only revocation there is.

use std::sync::Arc;
use std::time::Duration;

use hubline::tls::{ServerSide, Validity};
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::sleep;

/// The longest sleep before the clock is asked again: it may be set, and machines are suspended.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What a peer proved itself with. Cloning shares.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    chain: Arc<[CertificateDer<'static>]>,
    tls: watch::Receiver<Arc<ServerSide>>,
}

impl Proof {
    pub(super) fn new(chain: &[CertificateDer<'_>], tls: watch::Receiver<Arc<ServerSide>>) -> Self {
        let chain = chain.iter().map(|it| it.clone().into_owned()).collect();
        Self { chain, tls }
    }

    /// When it ends; none when it has none to show.
    pub(super) fn validity(&self) -> Option<Validity> {
        Validity::first_to_end(&self.chain)
    }

    /// Returns when the peer would no longer be let in, and why not.
    pub(super) async fn lost(mut self) -> rustls::Error {
        loop {
            if let Err(error) = self.tls.borrow_and_update().trusts(&self.chain) {
                return error;
            }
            let until_end = sleep(self.left());
            tokio::select! {
                Ok(()) = self.tls.changed() => {}
                () = until_end => {}
            }
        }
    }

    /// Until the second after its last, or until the clock is to be asked again.
    fn left(&self) -> Duration {
        let Some(validity) = self.validity() else {
            return LONGEST;
        };
        let left = validity.not_after.0 + 1 - Timestamp::now().as_second();
        Duration::from_secs(u64::try_from(left).unwrap_or(0).max(1)).min(LONGEST)
    }
}
