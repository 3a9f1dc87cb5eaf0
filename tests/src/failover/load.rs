//! A client with an open loop: it asks at its rate whether or not earlier requests were answered, so that what hangs
//! makes nothing else wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::header::HOST;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::echo::Echo;

/// Longer than the 58 s that a request of a black-holed cluster was seen to hang (`reference/apisix.md`).
const LONGEST: Duration = Duration::from_secs(90);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// For which host.
    pub host: Arc<str>,
    /// When it was sent.
    pub sent: Instant,
    /// How long its answer took, or its failure.
    pub took: Duration,
    /// What was answered; none: nothing.
    pub status: Option<u16>,
    /// The backend that answered.
    pub backend: Option<String>,
}

impl Asked {
    /// Whether anything but a 200 came of it.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status != Some(200)
    }
}

/// What has been so far.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sent: usize,
    answered: usize,
    failed: usize,
    /// Good ones since the last that failed.
    good_in_a_row: usize,
}

/// The client, running. It ends with [`Load::stop`].
#[derive(Debug)]
pub struct Load {
    count: watch::Receiver<Count>,
    since: watch::Sender<Option<Instant>>,
    stop: CancellationToken,
    task: JoinHandle<Vec<Asked>>,
}

impl Load {
    /// Asks `gateway` for these hosts in turn, so many times a second in all.
    ///
    /// # Errors
    /// When there is no client.
    pub fn start(gateway: SocketAddr, hosts: &[String], per_second: u32) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(LONGEST).build()?;
        let hosts: Vec<Arc<str>> = hosts.iter().map(|host| host.as_str().into()).collect();
        ensure!(!hosts.is_empty() && per_second > 0, "nothing to ask for");
        let (sender, count) = watch::channel(Count::default());
        let (since, stop) = (watch::Sender::new(None), CancellationToken::new());
        let asking = Asking {
            since: since.subscribe(),
            under_way: BTreeMap::new(),
            client,
            url: format!("http://{gateway}/"),
            hosts,
            count: sender,
        };
        let every = Duration::from_secs(1) / per_second;
        let task = tokio::spawn(asking.run(every, stop.clone()));
        Ok(Self {
            count,
            since,
            stop,
            task,
        })
    }

    /// Waits until so many more requests were sent.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn until_sent(&self, more: usize) -> Result<()> {
        let wanted = self.count.borrow().sent + more;
        self.until(|count| count.sent >= wanted).await
    }

    /// Waits until so many more requests were answered, or failed.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn until_answered(&self, more: usize) -> Result<()> {
        let wanted = self.count.borrow().answered + more;
        self.until(|count| count.answered >= wanted).await
    }

    /// Waits until at least one more failed, and after it so many in a row were good.
    ///
    /// # Errors
    /// When the client has ended, or it is not so within a minute.
    pub async fn until_recovered(&self, good: usize) -> Result<()> {
        let failed = self.count.borrow().failed;
        self.until(|count| count.failed > failed && count.good_in_a_row >= good)
            .await
    }

    async fn until(&self, wanted: impl FnMut(&Count) -> bool) -> Result<()> {
        let mut count = self.count.clone();
        let waited = tokio::time::timeout(Duration::from_secs(60), count.wait_for(wanted)).await;
        waited.context("the client does not get so far in a minute")??;
        Ok(())
    }

    /// Sends nothing more, and waits for what is under way.
    ///
    /// # Errors
    /// When the client panicked.
    pub async fn stop(self) -> Result<Requests> {
        self.stop.cancel();
        Ok(Requests(self.task.await?))
    }

    /// As [`Load::stop`], but gives up what was sent before this moment and is still under way: it counts as failed.
    ///
    /// # Errors
    /// When the client panicked.
    pub async fn stop_since(self, moment: Instant) -> Result<Requests> {
        self.since.send_replace(Some(moment));
        self.stop().await
    }
}

struct Asking {
    since: watch::Receiver<Option<Instant>>,
    /// By number.
    under_way: BTreeMap<usize, (Instant, Arc<str>)>,
    client: reqwest::Client,
    url: String,
    hosts: Vec<Arc<str>>,
    count: watch::Sender<Count>,
}

impl Asking {
    async fn run(mut self, every: Duration, stop: CancellationToken) -> Vec<Asked> {
        let mut ticks = interval(every);
        // A client that had no turn must not make up for it by a storm.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut running, mut asked) = (JoinSet::new(), Vec::new());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.send(&mut running),
                Some(Ok((number, one))) = running.join_next() => self.take(number, one, &mut asked),
            }
        }
        while self.awaits()
            && let Some(Ok((number, one))) = running.join_next().await
        {
            self.take(number, one, &mut asked);
        }
        asked.extend(self.under_way.into_values().map(given_up));
        asked.sort_by_key(|one| one.sent);
        asked
    }

    fn send(&mut self, running: &mut JoinSet<(usize, Asked)>) {
        let number = self.count.borrow().sent;
        let host = Arc::clone(&self.hosts[number % self.hosts.len()]);
        self.under_way.insert(number, (Instant::now(), Arc::clone(&host)));
        let asking = ask(self.client.clone(), self.url.clone(), host);
        running.spawn(async move { (number, asking.await) });
        self.count.send_modify(|count| count.sent += 1);
    }

    /// Whether something is under way that is not given up.
    fn awaits(&self) -> bool {
        let since = *self.since.borrow();
        let mut sent = self.under_way.values().map(|(sent, _)| *sent);
        sent.any(|sent| since.is_none_or(|since| sent > since))
    }

    fn take(&mut self, number: usize, one: Asked, asked: &mut Vec<Asked>) {
        self.under_way.remove(&number);
        self.count.send_modify(|count| {
            count.answered += 1;
            count.failed += usize::from(one.failed());
            count.good_in_a_row = if one.failed() { 0 } else { count.good_in_a_row + 1 };
        });
        asked.push(one);
    }
}

fn given_up((sent, host): (Instant, Arc<str>)) -> Asked {
    Asked {
        host,
        sent,
        took: sent.elapsed(),
        status: None,
        backend: None,
    }
}

async fn ask(client: reqwest::Client, url: String, host: Arc<str>) -> Asked {
    let sent = Instant::now();
    let answer = client.get(url).header(HOST, &*host).send().await;
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    let echo = match answer {
        Ok(answer) => answer.json::<Echo>().await.ok(),
        Err(_) => None,
    };
    Asked {
        host,
        sent,
        took: sent.elapsed(),
        status,
        backend: echo.map(|echo| echo.name),
    }
}

/// Requests that came to an end, in the order in which they were sent.
#[derive(Debug, Clone)]
pub struct Requests(Vec<Asked>);

impl Requests {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.0.iter()
    }

    /// Those for hosts that begin so.
    #[must_use]
    pub fn of(&self, host: &str) -> Self {
        self.filtered(|one| one.host.starts_with(host))
    }

    /// Those that were sent later.
    #[must_use]
    pub fn after(&self, moment: Instant) -> Self {
        self.filtered(|one| one.sent > moment)
    }

    /// Those that were under way at this moment.
    #[must_use]
    pub fn under_way(&self, moment: Instant) -> Self {
        self.filtered(|one| one.sent <= moment && one.sent + one.took > moment)
    }

    fn filtered(&self, such: impl Fn(&&Asked) -> bool) -> Self {
        Self(self.0.iter().filter(such).cloned().collect())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that failed.
    #[must_use]
    pub fn failed(&self) -> Self {
        self.filtered(|one| one.failed())
    }

    /// How long the one took that took longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.iter().map(|one| one.took).max().unwrap_or_default()
    }

    /// When the last that failed was sent.
    #[must_use]
    pub fn last_failed(&self) -> Option<Instant> {
        self.0.iter().filter(|one| one.failed()).map(|one| one.sent).max()
    }

    /// That there are some, and none failed.
    ///
    /// # Errors
    /// With those that did.
    pub fn ensure_good(&self, what: &str) -> Result<()> {
        let failed = self.failed();
        ensure!(!self.is_empty(), "{what}: nothing was asked");
        ensure!(
            failed.is_empty(),
            "{what}: {} of {} failed: {:?}",
            failed.len(),
            self.len(),
            failed.0.iter().take(5).collect::<Vec<_>>()
        );
        Ok(())
    }
}
