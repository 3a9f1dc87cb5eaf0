//! Clusters that are reached by two lines, and a client that measures what a cut costs.
//!
//! - [`Room`]: one cluster's pods, behind a private line and a public one, with its manifests.
//! - [`Load`]: a client that asks at a fixed rate, whatever the answers, and records each request.
//! - [`Measured`], [`Table`]: what came of it, for people.
//!
//! Needs the addresses of [`crate::netns`]. The public gateway answers by itself and does not route again.

mod load;
mod room;
mod table;

pub use load::{Asked, Load, Requests};
pub use room::{Apps, Room};
pub use table::{Measured, Table};
