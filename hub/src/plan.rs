//! Renders the objects that APISIX shall have from what is in force. Pure and incremental.
//!
//! Takes changes, verdicts and paths; gives objects that changed and problems that changed. A property test holds
//! it equal to planning from nothing. It sends nothing, compares nothing with the target and knows no secrets' use.
//!
//! # What goes before what in APISIX
//!
//! APISIX's router picks the host first (exact before wildcard before none), then an exact path before any prefix, then
//! the longest prefix; `priority` only decides among routes of the same host and path. Kubernetes' rules for Ingress
//! are the same, but for one: a `Prefix` `/a` must take `/a` too, which is an exact path to APISIX and ties with an
//! `Exact` `/a`. So the `priority` sent is four times the model's, plus the rank of the kind of path (`paths`), and
//! a route with several kinds of path becomes one object for each.

pub mod apisix_yaml;
mod certificate;
mod checks;
mod confine;
mod consumers;
pub mod dry_run;
mod everybody;
pub mod gateways;
pub mod id;
mod index;
mod manner;
mod names;
mod nodes;
mod overlaps;
mod paths;
mod planner;
mod plugins;
pub mod probes;
mod route;
pub mod routing;
mod scope;
mod stream_route;
#[cfg(test)]
mod tests;
mod upstream;

use std::collections::BTreeSet;
use std::sync::Arc;

use hubline::model::{ClusterId, GlobalKey};

pub use nodes::position;
pub use planner::Planner;
pub use routing::Routing;
pub(crate) use scope::label_value;

use crate::object::{Object, ObjectId};
use crate::view::Problem;

/// What planning depends on beside clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOptions {
    /// How all ids begin.
    pub prefix: id::Prefix,
    /// The hub's name, for labels.
    pub hub: String,
    /// Clusters that may set plugins for everybody's traffic; none unless the operator says so.
    pub grants: BTreeSet<ClusterId>,
    /// Whether APISIX instances are asked for clusters' echoes.
    pub probes: bool,
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            prefix: id::Prefix::default(),
            hub: "hub".to_owned(),
            grants: BTreeSet::new(),
            probes: false,
        }
    }
}

/// What one batch of changes changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanOutput {
    /// Objects as they shall be now, none where they shall be gone; sorted by id, each at most once.
    pub objects: Vec<(ObjectId, Option<Arc<Object>>)>,
    /// All problems of each resource whose problems changed (none left: empty); sorted by key.
    pub problems: Vec<(GlobalKey, Vec<Problem>)>,
}
