//! Records of paths as lines of the log.

use tracing::{info, warn};

use super::decision::{Happened, PathRecord};
use super::health::Verdict;

/// Writes one line with the record's fields; what a person should look at is a warning.
pub(super) fn say(record: &PathRecord) {
    let cluster = record.cluster.as_ref().map(ToString::to_string).unwrap_or_default();
    match &record.what {
        Happened::VerdictChanged { path, transition } => {
            let line = serde_json::to_string(transition).unwrap_or_default();
            if transition.to == Verdict::Up {
                info!(cluster, %path, transition = line, "path is up");
            } else {
                warn!(cluster, %path, verdict = transition.to.label(), transition = line, "path is not well");
            }
        }
        Happened::Switched {
            from,
            to,
            why,
            since_first_bad,
            ..
        } => warn!(cluster, %from, %to, why = why.label(), ?since_first_bad, "path switched"),
        Happened::Held { on, wanted, by, until } => {
            warn!(cluster, %on, ?wanted, by = by.label(), ?until, "path held");
        }
        Happened::Ramped { path, percent } => info!(cluster, %path, percent, "path ramped"),
        Happened::Suspected { down, of } => warn!(down, of, "the hub suspects itself: no path is switched"),
        Happened::Trusted { down, of } => info!(down, of, "the hub trusts itself again"),
        Happened::OrderMade { order } => {
            let (id, who, why) = (order.id.0, &order.who, &order.why);
            warn!(cluster, order = id, kind = order.kind.label(), who, why, until = %order.until, "order made");
        }
        Happened::OrderEnded { order, because } => {
            info!(
                cluster,
                order = order.id.0,
                kind = order.kind.label(),
                ?because,
                "order ended"
            );
        }
    }
}
