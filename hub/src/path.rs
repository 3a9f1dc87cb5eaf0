//! Paths: the ways from APISIX to a cluster.
//!
//! For now each cluster has one path, straight to its pods; probers, verdicts and orders come with failover.
//! Plan already takes a list.

mod choice;
mod damping;
pub mod decision;
pub mod evidence;
pub mod health;
pub mod machine;
pub mod orders;
pub mod parameters;
mod suspicion;

use serde::{Deserialize, Serialize};

/// One way from APISIX to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Path {
    /// Its name within the cluster.
    pub name: String,
    /// What kind of line it takes.
    pub kind: PathKind,
    /// 0 is best.
    pub rank: u8,
    /// What its node addresses are.
    pub reach: Reach,
}

/// What kind of line a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathKind {
    /// A leased or private line.
    PrivateLine,
    /// The internet.
    PublicNetwork,
}

/// What a path's node addresses are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Pod addresses, straight.
    Pods,
}

impl Path {
    /// The path of a cluster that configures none: its pods, straight.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            name: "direct".to_owned(),
            kind: PathKind::PrivateLine,
            rank: 0,
            reach: Reach::Pods,
        }
    }
}
