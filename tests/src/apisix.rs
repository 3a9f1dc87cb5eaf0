//! A stand-in for Apache APISIX 3.16 with etcd: its Admin API as recorded, and a data plane that
//! really proxies.
//!
//! [`StandIn`] binds real sockets, keeps its objects in memory, records every Admin API call and
//! can be made to fail in chosen ways. What the Admin API accepts comes from the distilled
//! contract in `tests/contract/`.
//!
//! Of plugins it runs `traffic-split`, and of `proxy-rewrite` the plain parts. It deliberately runs
//! no others, no stream routes and no Lua: a route with `filter_func` never matches here. It keeps
//! no connections to upstreams, and is one worker.

mod admin;
mod calls;
mod certificates;
mod client;
mod contract;
mod control;
mod encryption;
mod expression;
mod faults;
mod gateway;
mod kind;
mod live;
mod options;
mod references;
mod schema;
mod server;
mod shared;
mod stand_in;
mod state;
mod store;
mod uri;

pub use calls::{Call, KeepCalls};
pub use client::{AdminClient, AdminResponse};
pub use contract::plugin_names;
pub use faults::{CallHead, Fault, FaultGuard};
pub use kind::Kind;
pub use options::StandInOptions;
pub use stand_in::{Part, StandIn};
