//! The hub: merges the clusters and is the only writer to one APISIX.
//!
//! Data flows `ingest → cluster → federate → plan → sink`; `persist` stands beside `cluster`, `api` reads the [`view`].

pub mod api;
pub mod change;
pub mod cluster;
pub mod command;
pub mod config;
pub mod core;
pub mod credential;
pub mod desired;
pub mod federate;
mod few;
pub mod ingest;
pub mod object;
pub mod path;
pub mod persist;
pub mod pipeline;
pub mod plan;
pub mod sink;
pub mod view;
