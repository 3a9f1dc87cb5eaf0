//! Connecting, within bounds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::judge::Miss;
use crate::path::evidence::{NoData, ProbeFailure};

/// How many probes may hold a socket at a time, over all paths. Kept connections to echoes, one a path, are not counted.
#[derive(Debug, Clone)]
pub struct Sockets(Arc<Semaphore>);

impl Default for Sockets {
    /// 200 paths that are black holes at once, each with an echo and four endpoints under way; far below the 65,536
    /// descriptors that the hub's unit allows, kept connections and sessions included.
    fn default() -> Self {
        Self::new(1_024)
    }
}

impl Sockets {
    /// So many.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Semaphore::new(most)))
    }

    /// A place, waited for at most so long: a hub that is short of sockets must not take that for a bad line.
    pub(super) async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Miss> {
        let place = tokio::time::timeout(patience, Arc::clone(&self.0).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(Miss::Nothing(NoData::HubBusy))
    }

    /// A place, if there is one.
    pub(super) fn place_now(&self) -> Result<OwnedSemaphorePermit, Miss> {
        let place = Arc::clone(&self.0).try_acquire_owned();
        place.map_err(|_| Miss::Nothing(NoData::HubBusy))
    }

    /// How many are free.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.available_permits()
    }
}

/// Whether an address lets itself be connected to; none where this hub could not ask.
pub async fn answers(address: SocketAddr, patience: Duration, sockets: &Sockets) -> Option<bool> {
    let _place = sockets.place(patience).await.ok()?;
    match connect(address, Instant::now() + patience).await {
        Ok(_) => Some(true),
        Err(Miss::Nothing(_)) => None,
        Err(_) => Some(false),
    }
}

/// Connects until then.
pub(super) async fn connect(address: SocketAddr, deadline: Instant) -> Result<TcpStream, Miss> {
    match timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // A probe is one small write.
            stream.set_nodelay(true).ok();
            Ok(stream)
        }
        Ok(Err(error)) => Err(cannot_connect(&error)),
        Err(_) => Err(ProbeFailure::Timeout.into()),
    }
}

/// What the system's refusal says of the line, or of this hub.
fn cannot_connect(error: &io::Error) -> Miss {
    /// EMFILE and ENFILE on every Linux: no descriptors left.
    const OUT_OF_DESCRIPTORS: [Option<i32>; 2] = [Some(24), Some(23)];
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ProbeFailure::Refused.into(),
        io::ErrorKind::TimedOut => ProbeFailure::Timeout.into(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => NoData::HubBusy.into(),
        _ if OUT_OF_DESCRIPTORS.contains(&error.raw_os_error()) => NoData::HubBusy.into(),
        _ => ProbeFailure::Unreachable(error.to_string()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hub_lacks_is_no_fault_of_the_line() {
        let busy = Miss::Nothing(NoData::HubBusy);
        for (error, wanted) in [
            (io::Error::from_raw_os_error(24), busy.clone()),
            (io::Error::from_raw_os_error(23), busy.clone()),
            (io::ErrorKind::AddrNotAvailable.into(), busy),
            (io::ErrorKind::ConnectionRefused.into(), ProbeFailure::Refused.into()),
            (io::ErrorKind::TimedOut.into(), ProbeFailure::Timeout.into()),
            (
                io::ErrorKind::HostUnreachable.into(),
                ProbeFailure::Unreachable("host unreachable".to_owned()).into(),
            ),
        ] {
            assert_eq!(cannot_connect(&error), wanted);
        }
    }
}
