//! From `HOST:PORT` to addresses. Names are looked up in the background and their last known addresses stay in use: a
//! name server that is gone says nothing of a line.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::judge::Miss;
use crate::path::Allowed;
use crate::path::evidence::NoData;

/// How long an answer of the name server counts. The system's resolver does not tell how long it should.
const FRESH: Duration = Duration::from_secs(30);

/// How long a failed lookup is not tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What is known of the names of one path, of which there are few. One lookup a name at a time.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<String, Arc<AsyncMutex<Known>>>>);

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    until: Option<Instant>,
    lookup: Option<AbortOnDropHandle<Vec<SocketAddr>>>,
}

impl Names {
    /// The addresses of `target` that may be probed; with no word on what is allowed, all.
    pub(super) async fn resolve(&self, target: &str, allowed: Option<&Allowed>) -> Result<Vec<SocketAddr>, Miss> {
        let found = match target.parse() {
            Ok(address) => vec![address],
            Err(_) => self.of_name(target).await,
        };
        if found.is_empty() {
            return Err(NoData::Unresolved.into());
        }
        let permitted = |address: &SocketAddr| allowed.is_none_or(|allowed| allowed.address(address.ip()));
        let permitted: Vec<_> = found.into_iter().filter(permitted).collect();
        if permitted.is_empty() {
            return Err(NoData::NotAllowed.into());
        }
        Ok(permitted)
    }

    async fn of_name(&self, target: &str) -> Vec<SocketAddr> {
        let entry = Arc::clone(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(target.to_owned())
                .or_default(),
        );
        let mut known = entry.lock().await;
        known.refresh(target).await;
        known.addresses.clone()
    }
}

impl Known {
    /// Waits for a lookup only where nothing is known. Cancel safe: a lookup goes on for who asks next.
    async fn refresh(&mut self, target: &str) {
        if self.until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let begin = || AbortOnDropHandle::new(tokio::spawn(look_up(target.to_owned())));
        let lookup = self.lookup.get_or_insert_with(begin);
        if !self.addresses.is_empty() && !lookup.is_finished() {
            return;
        }
        let found = lookup.await.unwrap_or_default();
        self.lookup = None;
        let lasts = if found.is_empty() { AGAIN } else { FRESH };
        self.until = Some(Instant::now() + lasts);
        if !found.is_empty() {
            self.addresses = found;
        }
    }
}

async fn look_up(target: String) -> Vec<SocketAddr> {
    let found = tokio::net::lookup_host(target).await;
    found.map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_checked_after_the_lookup() {
        let names = Names::default();
        let allowed = Allowed::new(&["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()));
        let found = names.resolve("localhost:80", Some(&allowed)).await.unwrap();
        assert!(
            found
                .iter()
                .all(|address| address.ip().is_loopback() && address.port() == 80)
        );
        let wide = Allowed::default();
        let refused = Err(Miss::Nothing(NoData::NotAllowed));
        assert_eq!(names.resolve("localhost:80", Some(&wide)).await, refused);
        assert_eq!(names.resolve("127.0.0.1:80", Some(&wide)).await, refused);
        assert_eq!(
            names.resolve("127.0.0.1:80", None).await.unwrap(),
            ["127.0.0.1:80".parse().unwrap()]
        );
        let unknown = names.resolve("no..name:80", Some(&allowed)).await;
        assert_eq!(unknown, Err(Miss::Nothing(NoData::Unresolved)));
    }
}
