//! Links that share their fate: all that goes over one line to a cluster.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::Mutex;

use super::{Counters, Link, State};

/// A group of links that are cut, delayed, made lossy and restored together. Gone when dropped.
pub struct Line {
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    links: Vec<Link>,
    weather: Weather,
}

/// What links that are added later must be told.
#[derive(Clone, Copy, Debug)]
struct Weather {
    state: State,
    delay: Duration,
    /// share and seed
    loss: (f64, u64),
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            state: State::Open,
            delay: Duration::ZERO,
            loss: (0.0, 0),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Line").finish_non_exhaustive()
    }
}

impl Line {
    /// Opens a link for each pair of where to listen (port 0 picks one) and what is behind it.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub async fn start(pairs: Vec<(SocketAddr, SocketAddr)>) -> io::Result<Self> {
        let line = Self {
            links: Mutex::default(),
        };
        for (listen, upstream) in pairs {
            line.add(listen, upstream).await?;
        }
        Ok(line)
    }

    /// Opens one more link, which is at once as bad as the others are. Returns where it listens.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub async fn add(&self, listen: SocketAddr, upstream: SocketAddr) -> io::Result<SocketAddr> {
        let mut links = self.links.lock().await;
        let link = Link::start(listen, upstream).await?;
        let (address, weather) = (link.address(), links.weather);
        link.delay(weather.delay);
        lose(links.links.len(), &link, weather.loss);
        change(&link, weather.state).await?;
        links.links.push(link);
        Ok(address)
    }

    /// Where the links listen, in the order in which they were given.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        let links = self.links.lock().await;
        links.links.iter().map(Link::address).collect()
    }

    /// From now on connects time out, and nothing moves on existing connections, as with
    /// [`Link::cut_black_hole`].
    ///
    /// # Errors
    /// When a socket refuses.
    pub async fn cut_black_hole(&self) -> io::Result<()> {
        self.change(State::BlackHole).await
    }

    /// From now on connects are refused; existing connections are reset.
    ///
    /// # Errors
    /// When a socket refuses.
    pub async fn cut_refuse(&self) -> io::Result<()> {
        self.change(State::Refusing).await
    }

    /// Loses this share of what is sent, as with [`Link::lose`]; each link has its own luck.
    pub async fn lose(&self, share: f64, seed: u64) {
        let mut links = self.links.lock().await;
        links.weather.loss = (share, seed);
        for (index, link) in links.links.iter().enumerate() {
            lose(index, link, (share, seed));
        }
    }

    /// Delays data by so much each way; zero for none.
    pub async fn delay(&self, each_way: Duration) {
        let mut links = self.links.lock().await;
        links.weather.delay = each_way;
        links.links.iter().for_each(|link| link.delay(each_way));
    }

    /// Ends a cut, and delay and loss too.
    ///
    /// # Errors
    /// When a port cannot be listened on again.
    pub async fn restore(&self) -> io::Result<()> {
        self.lose(0.0, 0).await;
        self.delay(Duration::ZERO).await;
        self.change(State::Open).await
    }

    /// What has passed so far, over all links together.
    pub async fn counters(&self) -> Counters {
        let links = self.links.lock().await;
        let each = links.links.iter().map(Link::counters);
        each.fold(Counters::default(), |sum, one| Counters {
            connections: sum.connections + one.connections,
            open: sum.open + one.open,
            to_upstream: sum.to_upstream + one.to_upstream,
            to_client: sum.to_client + one.to_client,
        })
    }

    /// All links at once: a cut that takes its time would be another fault.
    async fn change(&self, state: State) -> io::Result<()> {
        let mut links = self.links.lock().await;
        links.weather.state = state;
        try_join_all(links.links.iter().map(|link| change(link, state))).await?;
        Ok(())
    }
}

fn lose(index: usize, link: &Link, (share, seed): (f64, u64)) {
    link.lose(share, seed.wrapping_add(index as u64));
}

async fn change(link: &Link, state: State) -> io::Result<()> {
    match state {
        State::Open => link.restore().await,
        State::BlackHole => link.cut_black_hole().await,
        State::Refusing => link.cut_refuse().await,
    }
}

#[cfg(test)]
mod tests;
