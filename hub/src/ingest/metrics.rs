//! What ingest counts.

use std::sync::Arc;

use hubline::model::ClusterId;
use hubline::tls::Validity;
use hubline::wire::HubMessage;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type Label = [(&'static str, &'static str); 1];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCluster {
    cluster: String,
}

/// Counters of ingest. Cloning shares.
#[derive(Debug, Clone, Default)]
pub struct IngestMetrics(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sessions: Gauge,
    handshakes: Family<Label, Counter>,
    certificates: Family<OfCluster, Gauge>,
    messages: Family<Label, Counter>,
    resource_bytes: Counter,
    refused: Family<Label, Counter>,
    resyncs: Family<Label, Counter>,
    comparisons: Family<Label, Counter>,
    nacks: Counter,
}

impl IngestMetrics {
    /// Makes and registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let it = &metrics.0;
        let registry = registry.sub_registry_with_prefix("hubline_ingest");
        registry.register("sessions", "Open streams", it.sessions.clone());
        let help = "TLS handshakes of agents and strangers, by result";
        registry.register("handshakes", help, it.handshakes.clone());
        let help = "When the certificate of a cluster's agent ends, as a Unix time";
        let name = "agent_certificate_not_after_timestamp";
        registry.register_with_unit(name, help, Unit::Seconds, it.certificates.clone());
        registry.register("messages", "Messages of agents by kind", it.messages.clone());
        registry.register_with_unit(
            "resources",
            "Encoded resources received",
            Unit::Bytes,
            it.resource_bytes.clone(),
        );
        registry.register("refused", "Streams ended by the hub, by reason", it.refused.clone());
        registry.register("resyncs", "Resyncs asked for, by reason", it.resyncs.clone());
        registry.register(
            "comparisons",
            "Comparisons of all buckets asked for, by reason",
            it.comparisons.clone(),
        );
        registry.register("nacks", "Resources refused", it.nacks.clone());
        metrics
    }

    pub(super) fn sessions(&self, count: usize) {
        self.0.sessions.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn handshake(&self, result: &'static str) {
        self.0.handshakes.get_or_create(&[("result", result)]).inc();
    }

    pub(super) fn certificate(&self, cluster: &ClusterId, validity: Validity) {
        let cluster = cluster.to_string();
        let gauge = self.0.certificates.get_or_create(&OfCluster { cluster });
        gauge.set(validity.not_after.0);
    }

    pub(super) fn received(&self, kind: &'static str) {
        self.0.messages.get_or_create(&[("kind", kind)]).inc();
    }

    pub(super) fn bytes(&self, count: usize) {
        self.0.resource_bytes.inc_by(count as u64);
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.0.refused.get_or_create(&[("reason", reason)]).inc();
    }

    pub(super) fn sent(&self, message: &HubMessage) {
        match message {
            HubMessage::Resync(resync) => {
                let reason = resync.reason.label();
                self.0.resyncs.get_or_create(&[("reason", reason)]).inc();
            }
            HubMessage::Resume(_) => {
                self.0.resyncs.get_or_create(&[("reason", "resume")]).inc();
            }
            HubMessage::Compare(compare) => {
                let reason = compare.reason.label();
                self.0.comparisons.get_or_create(&[("reason", reason)]).inc();
            }
            HubMessage::Nack(_) => {
                self.0.nacks.inc();
            }
            HubMessage::Welcome(_)
            | HubMessage::Ack(_)
            | HubMessage::Status(_)
            | HubMessage::Addresses(_)
            | HubMessage::Heartbeat(..)
            | HubMessage::Superseded(_)
            | HubMessage::Unknown => {}
        }
    }
}
