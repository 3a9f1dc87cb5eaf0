//! The agent: reads what one cluster declares and streams it to the hubs.
//!
//! Data flows `source → index → translate → publish → session`; what the hub answers comes back through `status`.

pub mod conditions;
pub mod config;
pub mod echo;
pub mod few;
pub mod health;
pub mod index;
pub mod lease;
pub mod metrics;
pub mod output;
pub mod pipeline;
pub mod publish;
pub mod session;
pub mod source;
pub mod status;
pub mod translate;
