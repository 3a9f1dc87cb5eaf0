//! The reserved route of each path to the agent's echo: asked for through every APISIX instance, it is a second vantage,
//! and proof that a write is live.

use hubline::model::ClusterId;

/// The host that probe routes match: none that a client would ask for, and no cluster may claim it.
pub const HOST: &str = "probe.hubline.invalid";

/// The path of a probe route without its last segment.
#[must_use]
pub fn uri(cluster: &ClusterId, path: &str) -> String {
    format!("/hubline/echo/{cluster}/{path}")
}
