//! What Hubline's agent and hub must agree on: the model, its form on the wire, configuration, TLS, telemetry;
//! and the `hubline` command line.
//!
//! Data flows from the agents' clusters to the hub and from there to APISIX; see `docs/architecture.md`.

pub mod cli;
pub mod config;
pub mod echo;
pub mod expression;
pub mod model;
pub mod program;
pub mod snapshot_file;
pub mod telemetry;
pub mod tls;
pub mod wire;
