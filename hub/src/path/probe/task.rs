//! The task of one path: starts what is due, and hands on what comes of it.
//!
//! All probes of a path are futures of this one task, so that a probe costs no task, nothing is shared between threads,
//! and dropping the task ends everything at once.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::line::{EchoSince, Line, Round};
use super::outbox::Outbox;
use super::slots::{Asks, Slots};
use super::sockets::Sockets;
use super::spec::ProbeSpec;
use super::targets::Means;
use super::{Finding, gateway, targets};
use crate::path::evidence::{Evidence, Moment, NoData, ProbeResult, Vantage};

/// The shortest timeout of what does work before it answers: a target, or APISIX.
const WORK: Duration = Duration::from_secs(1);

/// What all probers of a hub share, and one's own seed.
#[derive(Debug, Clone)]
pub struct ProbeContext {
    /// Where evidence goes. It need not be large: what it does not take waits, the newest of each vantage.
    pub findings: mpsc::Sender<Finding>,
    /// The bound of sockets over all paths.
    pub sockets: Sockets,
    /// The hub's start, from which moments count.
    pub began: Instant,
    /// Where jitter, phase and nonces come from. Different for each path.
    pub seed: u64,
}

/// Probes one path until `shutdown`, or until nobody specifies it any more.
pub async fn probe_path(mut spec: watch::Receiver<Arc<ProbeSpec>>, context: ProbeContext, shutdown: CancellationToken) {
    let first = Arc::clone(&spec.borrow_and_update());
    let mut prober = Prober::new(first, context);
    let mut stopped = pin!(shutdown.cancelled());
    let mut timer = pin!(sleep_until(Instant::now()));
    loop {
        prober.wind(timer.as_mut());
        tokio::select! {
            biased;
            () = &mut stopped => return,
            changed = spec.changed() => match changed {
                Ok(()) => prober.adopt(Arc::clone(&spec.borrow_and_update())),
                Err(_) => return,
            },
            Some(done) = prober.running.next(), if !prober.running.is_empty() => prober.finish(done),
            () = &mut timer => prober.begin_due(),
            () = prober.outbox.deliver(), if !prober.outbox.is_empty() => {}
        }
    }
}

/// What became of a future.
#[derive(Debug)]
enum Done {
    Round(Moment, Round),
    Asked(Vantage, Moment, ProbeResult),
    Learned,
}

struct Prober {
    spec: Arc<ProbeSpec>,
    context: ProbeContext,
    line: Arc<Line>,
    slots: Slots,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    learning: bool,
    /// Failures through APISIX that wait until it is known whether the echo was there; they count as under way.
    open: Vec<Evidence>,
    outbox: Outbox,
    chance: StdRng,
}

impl Prober {
    fn new(spec: Arc<ProbeSpec>, context: ProbeContext) -> Self {
        let outbox = Outbox::new(spec.cluster.clone(), Arc::clone(&spec.path), context.findings.clone());
        let mut chance = StdRng::seed_from_u64(context.seed);
        let mut slots = Slots::new(context.began);
        slots.adopt(&spec, &mut chance);
        Self {
            spec,
            context,
            line: Arc::default(),
            slots,
            running: FuturesUnordered::new(),
            learning: false,
            open: Vec::new(),
            outbox,
            chance,
        }
    }

    /// What is under way asks by the old specification: it is dropped, not reported.
    fn adopt(&mut self, spec: Arc<ProbeSpec>) {
        self.running = FuturesUnordered::new();
        self.learning = false;
        self.open.clear();
        self.slots.adopt(&spec, &mut self.chance);
        self.spec = spec;
    }

    fn wind(&self, timer: Pin<&mut Sleep>) {
        if let Some(due) = self.slots.next_due()
            && (due != timer.deadline() || timer.is_elapsed())
        {
            timer.reset(due);
        }
    }

    fn begin_due(&mut self) {
        for vantage in self.slots.due(Instant::now()) {
            self.begin(&vantage);
        }
    }

    /// A vantage with enough under way misses its turn.
    fn begin(&mut self, vantage: &Vantage) {
        let nonce = self.nonce();
        let now = Instant::now();
        let Some(slot) = self.slots.get_mut(vantage) else {
            return;
        };
        slot.take_turn(now, &mut self.chance);
        if slot.in_flight >= slot.asks.most_in_flight() {
            return;
        }
        slot.in_flight += 1;
        let asks = slot.asks.clone();
        let sent = Moment(now.duration_since(self.context.began));
        self.running.push(self.future(asks, vantage.clone(), sent, nonce));
    }

    fn future(&self, asks: Asks, vantage: Vantage, sent: Moment, nonce: String) -> BoxFuture<'static, Done> {
        let (line, spec) = (Arc::clone(&self.line), Arc::clone(&self.spec));
        let sockets = self.context.sockets.clone();
        let timeout = line.timeout(&spec).max(WORK);
        match asks {
            Asks::Line => Box::pin(async move { Done::Round(sent, line.round(spec, nonce, sockets).await) }),
            Asks::Gateway(gateway) => Box::pin(async move {
                let result = gateway::ask(&gateway, &nonce, timeout, &line.names, &sockets).await;
                Done::Asked(vantage, sent, result)
            }),
            Asks::Target(target, tls) => Box::pin(async move {
                let means = Means {
                    timeout: target.timeout.unwrap_or(timeout),
                    allowed: &spec.allowed,
                    names: &line.names,
                    sockets: &sockets,
                    tls: &tls,
                };
                Done::Asked(vantage, sent, targets::ask(&target, means).await)
            }),
        }
    }

    fn finish(&mut self, done: Done) {
        match done {
            Done::Learned => self.learning = false,
            Done::Asked(vantage, sent, result) => self.conclude_or_wait(Evidence { vantage, sent, result }),
            Done::Round(sent, Round { result, timed_out }) => {
                let bad = matches!(result, ProbeResult::Bad(_));
                self.conclude(Vantage::Line, sent, result);
                self.close(bad);
                if timed_out && !self.learning {
                    self.learn();
                }
                if bad {
                    self.ask_gateways();
                }
            }
        }
    }

    /// The probe route leads to the echo: where that is gone and the line is good, its failure says nothing. A node that
    /// dies with the agent makes both silent at once, and endpoints elsewhere are asked only then: until they have spoken
    /// it is open which of the two it is.
    fn conclude_or_wait(&mut self, Evidence { vantage, sent, result }: Evidence) {
        let failed = matches!((&vantage, &result), (Vantage::Gateway(_), ProbeResult::Bad(_)));
        match self.line.echo_since(self.context.began + sent.0) {
            EchoSince::Gone if failed => self.conclude(vantage, sent, ProbeResult::Nothing(NoData::EchoGone)),
            EchoSince::Open if failed => self.open.push(Evidence { vantage, sent, result }),
            _ => self.conclude(vantage, sent, result),
        }
    }

    /// A round has ended, and may tell of what is open: that the line is bad, or that the agent is there or gone.
    fn close(&mut self, line_is_bad: bool) {
        for Evidence { vantage, sent, result } in std::mem::take(&mut self.open) {
            match self.line.echo_since(self.context.began + sent.0) {
                EchoSince::Gone => self.conclude(vantage, sent, ProbeResult::Nothing(NoData::EchoGone)),
                EchoSince::Open if !line_is_bad => self.open.push(Evidence { vantage, sent, result }),
                EchoSince::Open | EchoSince::Answered => self.conclude(vantage, sent, result),
            }
        }
    }

    fn conclude(&mut self, vantage: Vantage, sent: Moment, result: ProbeResult) {
        let now = Instant::now();
        if let Some(slot) = self.slots.get_mut(&vantage) {
            slot.in_flight -= 1;
            if slot.pace.saw(now, &result) {
                slot.take_turn(now, &mut self.chance);
            }
        }
        self.outbox.put(Evidence { vantage, sent, result });
    }

    fn learn(&mut self) {
        self.learning = true;
        let (nonce, sockets) = (self.nonce(), self.context.sockets.clone());
        let learning = Arc::clone(&self.line).learn(Arc::clone(&self.spec), nonce, sockets);
        self.running.push(Box::pin(async move {
            learning.await;
            Done::Learned
        }));
    }

    /// Whether the line is broken for APISIX too must be known at once.
    fn ask_gateways(&mut self) {
        for vantage in self.slots.gateways() {
            self.begin(&vantage);
        }
    }

    fn nonce(&mut self) -> String {
        format!("{:x}", self.chance.random::<u64>())
    }
}
