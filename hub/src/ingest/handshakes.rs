//! Handshakes under way: bounded, without letting strangers keep agents out.
//!
//! Who connects and says nothing costs a place here until it is sent away. When all places are taken, the oldest
//! handshake of the address that has most of them gives way: a stranger from few addresses then pushes out himself, and
//! agents, which are done within a fraction of a second, get in. What gave way tries again by itself.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};

use tokio::task::{AbortHandle, Id, JoinSet};

/// See the module. Dropping it ends all of them.
#[derive(Debug)]
pub(super) struct Handshakes {
    most: usize,
    tasks: JoinSet<()>,
    under_way: HashMap<Id, Place>,
    /// Of each address, oldest first: the numbers grow.
    by_source: BTreeMap<IpAddr, BTreeMap<u64, AbortHandle>>,
    next: u64,
}

/// Where a handshake stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    source: IpAddr,
    number: u64,
}

impl Handshakes {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            by_source: BTreeMap::new(),
            next: 0,
        }
    }

    /// Begins one more. Tells whether another gave way.
    pub(super) fn begin(&mut self, address: IpAddr, handshake: impl Future<Output = ()> + Send + 'static) -> bool {
        let gave_way = self.under_way.len() >= self.most && self.give_way();
        let (source, number) = (source(address), self.next);
        let handle = self.tasks.spawn(handshake);
        self.next += 1;
        self.under_way.insert(handle.id(), Place { source, number });
        self.by_source.entry(source).or_default().insert(number, handle);
        gave_way
    }

    /// The oldest of the address that has most ends now; false when there is none.
    pub(super) fn give_way(&mut self) -> bool {
        let fullest = self.by_source.values().max_by_key(|handshakes| handshakes.len());
        let Some(handle) = fullest.and_then(|handshakes| handshakes.values().next()).cloned() else {
            return false;
        };
        handle.abort();
        self.forget(handle.id());
        true
    }

    /// Waits until one has ended; for ever when there is none.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.forget(id),
            Some(Err(error)) => self.forget(error.id()),
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, id: Id) {
        let Some(Place { source, number }) = self.under_way.remove(&id) else {
            return;
        };
        if let Some(handshakes) = self.by_source.get_mut(&source) {
            handshakes.remove(&number);
            if handshakes.is_empty() {
                self.by_source.remove(&source);
            }
        }
    }
}

/// Whom an address stands for: of IPv6 its network, since a host has a whole one (RFC 4291 section 2.5.4).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn silent(handshakes: &mut Handshakes, from: &str) -> bool {
        handshakes.begin(address(from), pending())
    }

    fn under_way(handshakes: &Handshakes, from: &str) -> Vec<u64> {
        let of = handshakes.by_source.get(&source(address(from)));
        of.map(|it| it.keys().copied().collect()).unwrap_or_default()
    }

    #[tokio::test]
    async fn the_oldest_of_the_address_with_most_gives_way() {
        let mut handshakes = Handshakes::new(4);
        for (from, gave_way) in [
            ("10.0.0.1", false),
            ("10.0.0.9", false),
            ("10.0.0.9", false),
            ("10.0.0.2", false),
            ("10.0.0.3", true),
            ("10.0.0.9", true),
        ] {
            assert_eq!(silent(&mut handshakes, from), gave_way, "{from}");
        }
        assert_eq!(under_way(&handshakes, "10.0.0.9"), [5]);
        assert_eq!(under_way(&handshakes, "10.0.0.2"), [3]);
        assert_eq!(under_way(&handshakes, "10.0.0.3"), [4]);
        assert_eq!(handshakes.under_way.len(), 4);
    }

    #[tokio::test]
    async fn what_has_ended_leaves_nothing_behind() {
        let mut handshakes = Handshakes::new(2);
        for _ in 0..10 {
            handshakes.begin(address("10.0.0.1"), async {});
            handshakes.ended().await;
        }
        silent(&mut handshakes, "10.0.0.1");
        handshakes.give_way();
        handshakes.ended().await;
        assert!(handshakes.under_way.is_empty() && handshakes.by_source.is_empty() && handshakes.tasks.is_empty());
    }

    #[test]
    fn a_host_with_many_ipv6_addresses_is_one() {
        assert_eq!(source(address("2001:db8::1")), source(address("2001:db8::2:3")));
        assert_ne!(source(address("2001:db8::1")), source(address("2001:db8:0:1::1")));
        assert_eq!(source(address("::ffff:10.0.0.1")), address("10.0.0.1"));
    }
}
