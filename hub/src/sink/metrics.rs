//! What is counted about the target.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::schedule::{Counts, Occasion};
use super::{Operation, OperationResult, audit};

/// What is counted about the target; clones count into the same.
#[derive(Debug, Clone)]
pub struct SinkMetrics {
    writes: Family<WriteLabels, Counter>,
    write_duration: Family<KindLabel, Histogram, fn() -> Histogram>,
    commit_to_programmed: Histogram,
    change_latency: Histogram,
    objects: Family<StateLabel, Gauge>,
    observations: Family<ObservationLabels, Counter>,
    drift: Counter,
    up: Gauge,
    memory_lost: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    operation: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ObservationLabels {
    occasion: &'static str,
    result: &'static str,
}

/// 1 ms to 16 s: a write takes 1 to 100 ms, and a second under load (`reference/apisix.md`).
fn write_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl SinkMetrics {
    /// Registers everything under `hubline_sink_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            writes: Family::default(),
            write_duration: Family::new_with_constructor(write_histogram),
            // 10 ms to 5 min: what waits for a batch takes a second, what follows an outage as long as that.
            commit_to_programmed: Histogram::new(exponential_buckets(0.01, 2.0, 16)),
            // 50 us to 12 s in steps of a fifth: fine enough to read a p99 off.
            change_latency: Histogram::new(exponential_buckets(0.000_05, 1.2, 68)),
            objects: Family::default(),
            observations: Family::default(),
            drift: Counter::default(),
            up: Gauge::default(),
            memory_lost: Counter::default(),
        };
        registry.sub_registry_with_prefix("hubline_hub").register_with_unit(
            "change_latency",
            "Time from an agent's change of what is at the target, as of endpoints, to the call that writes it",
            Unit::Seconds,
            metrics.change_latency.clone(),
        );
        metrics.expose(registry.sub_registry_with_prefix("hubline_sink"));
        metrics
    }

    fn expose(&self, registry: &mut Registry) {
        registry.register(
            "writes",
            "Writes to the target by kind, operation and result",
            self.writes.clone(),
        );
        registry.register_with_unit(
            "write_duration",
            "Time that one write took",
            Unit::Seconds,
            self.write_duration.clone(),
        );
        registry.register_with_unit(
            "commit_to_programmed",
            "Time from a change of a desired object to the target having it",
            Unit::Seconds,
            self.commit_to_programmed.clone(),
        );
        registry.register("objects", "Desired objects by how far they are", self.objects.clone());
        registry.register(
            "observations",
            "Full listings of the target by occasion and result",
            self.observations.clone(),
        );
        registry.register(
            "drift",
            "Objects that a routine listing found otherwise than believed",
            self.drift.clone(),
        );
        registry.register("target_up", "Whether the target answers", self.up.clone());
        registry.register(
            "memory_lost",
            "How often the target was found without its memory",
            self.memory_lost.clone(),
        );
    }

    pub(super) fn write(&self, operation: &Operation, result: &OperationResult) {
        let kind = operation.id().kind.collection();
        let labels = WriteLabels {
            kind,
            operation: operation.label(),
            result: audit::result_label(result),
        };
        self.writes.get_or_create(&labels).inc();
        let duration = result.duration.as_secs_f64();
        self.write_duration.get_or_create(&KindLabel { kind }).observe(duration);
    }

    pub(super) fn handed_out(&self, after: std::time::Duration) {
        self.change_latency.observe(after.as_secs_f64());
    }

    pub(super) fn programmed(&self, after: std::time::Duration) {
        self.commit_to_programmed.observe(after.as_secs_f64());
    }

    pub(super) fn counts(&self, counts: Counts) {
        let states = [
            ("desired", counts.desired),
            ("programmed", counts.programmed),
            ("refused", counts.refused),
        ];
        for (state, count) in states {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.objects.get_or_create(&StateLabel { state }).set(count);
        }
    }

    pub(super) fn observed(&self, occasion: Occasion, drift: usize) {
        let result = if drift == 0 { "in-order" } else { "drift" };
        self.observation(occasion, result);
        if occasion == Occasion::Routine {
            self.drift.inc_by(u64::try_from(drift).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn observation(&self, occasion: Occasion, result: &'static str) {
        let occasion = match occasion {
            Occasion::Lost => "lost",
            Occasion::Routine => "routine",
        };
        self.observations
            .get_or_create(&ObservationLabels { occasion, result })
            .inc();
    }

    pub(super) fn up(&self, up: bool) {
        self.up.set(i64::from(up));
    }

    pub(super) fn memory_lost(&self) {
        self.memory_lost.inc();
    }

    /// How many objects routine listings found otherwise than believed.
    #[must_use]
    pub fn drift_total(&self) -> u64 {
        self.drift.get()
    }
}
