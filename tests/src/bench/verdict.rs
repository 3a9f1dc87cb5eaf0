//! Whether the figures are as good as they must be: judged beside the peers, and by what an agent and a hub may cost.

use serde::Serialize;

use super::figures::{Cold, Figures, SizeFigures};
use super::peers::{LINE_1_8, PEERS, PeerFigures};

/// One figure that must not be above a limit.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) size: usize,
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) measured: f64,
    pub(super) limit: f64,
    pub(super) holds: bool,
}

/// Peak memory with 1,000 Ingresses, in MB: what an agent and a hub may cost beside anything else.
const AGENT_MEGABYTES: f64 = 25.0;
const HUB_MEGABYTES: f64 = 40.0;

/// How far behind the last change the target may be under churn.
const BEHIND_MS: f64 = 50.0;

/// A change is one upstream, as the 1.8 line writes it; our labels and explicit defaults may cost half as much again.
const BYTES_FACTOR: f64 = 1.5;

/// One of every line, for each size.
pub(super) fn verdicts(figures: &Figures) -> Vec<Verdict> {
    figures.sizes.iter().flat_map(of_size).collect()
}

fn of_size(figures: &SizeFigures) -> Vec<Verdict> {
    let mut verdicts = Verdicts {
        size: figures.size,
        all: Vec::new(),
    };
    let peer = LINE_1_8.at(figures.size);
    let best = PEERS.iter().filter_map(|peer| peer.at(figures.size)?.cold_seconds);
    let best = best.min_by(f64::total_cmp);
    verdicts.add("cold start", "s", figures.cold.seconds, best.map(|it| it / 2.0));
    verdicts.cpu_and_memory(figures, peer);
    if let Some(single) = &figures.single {
        let (p50, p99) = peer.and_then(|peer| peer.single_ms).unzip();
        verdicts.add("single change, p50", "ms", single.latency.p50_ms, p50);
        verdicts.add("single change, p99", "ms", single.latency.p99_ms, p99);
        // What one change costs does not depend on the size; it was measured at one.
        let bytes = LINE_1_8.at(1_000).and_then(|peer| peer.single_bytes);
        let limit = bytes.map(|bytes| bytes * BYTES_FACTOR);
        verdicts.add("bytes of a change", "B", single.target_bytes_per_change, limit);
    }
    if let Some(churn) = &figures.churn {
        verdicts.add("behind under churn", "ms", churn.behind_ms, Some(BEHIND_MS));
    }
    verdicts.all
}

struct Verdicts {
    size: usize,
    all: Vec<Verdict>,
}

impl Verdicts {
    fn add(&mut self, what: &'static str, unit: &'static str, measured: f64, limit: Option<f64>) {
        if let Some(limit) = limit {
            let holds = measured <= limit;
            let size = self.size;
            self.all.push(Verdict {
                size,
                what,
                unit,
                measured,
                limit,
                holds,
            });
        }
    }

    fn cpu_and_memory(&mut self, figures: &SizeFigures, peer: Option<&PeerFigures>) {
        let Cold { agent, hub, .. } = &figures.cold;
        let cpu = peer.and_then(|peer| peer.cold_cpu_seconds);
        self.add("CPU of a cold start", "s", agent.cpu_seconds + hub.cpu_seconds, cpu);
        let (agent, hub) = peak_megabytes(figures);
        if figures.size == 1_000 {
            self.add("peak memory, agent", "MB", agent, Some(AGENT_MEGABYTES));
            self.add("peak memory, hub", "MB", hub, Some(HUB_MEGABYTES));
        } else {
            let half = peer.and_then(|peer| peer.peak_memory_megabytes).map(|it| it / 2.0);
            self.add("peak memory, both", "MB", agent + hub, half);
        }
    }
}

/// Of agent and hub, over everything that was measured.
pub(super) fn peak_megabytes(figures: &SizeFigures) -> (f64, f64) {
    let cold = (figures.cold.agent.peak_memory_bytes, figures.cold.hub.peak_memory_bytes);
    let peaks = figures.churn.as_ref().map_or(cold, |churn| {
        (churn.agent_peak_memory_bytes, churn.hub_peak_memory_bytes)
    });
    (megabytes(peaks.0), megabytes(peaks.1))
}

/// 10^6 bytes.
fn megabytes(bytes: u64) -> f64 {
    // A process with more than 4 TB does not get here.
    u32::try_from(bytes / 1_000).map_or(f64::INFINITY, |kilobytes| f64::from(kilobytes) / 1_000.0)
}
