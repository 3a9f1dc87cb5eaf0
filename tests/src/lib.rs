//! What the tests and the demo stand on: stand-ins for everything around Hubline.
//!
//! - [`apisix`]: a stand-in for APISIX: Admin API and a data plane that proxies.
//! - [`mod@bench`]: what `cargo bench-peers` runs.
//! - [`demo`]: what `cargo demo` runs.
//! - [`failover`]: clusters with two lines each, and a client that measures what a cut costs.
//! - [`kube`]: real kube-apiservers with etcd, started per test.
//! - [`link`]: TCP links that can be cut, delayed and slowed.
//! - [`manifests`]: directories of manifests as a user would write them.
//! - [`netns`]: runs a test again in a network namespace with addresses of its own.
//! - [`echo`]: backends that say who they are.
//! - [`probes`]: what `cargo bench-probes` runs: the cost of probing.
//! - [`program`]: agent and hub in runtimes of their own, to be killed at any await.
//! - [`scale`]: what `cargo bench-scale` runs: one hub with a thousand agents.
//! - [`scripted`]: an agent that says what a test tells it, and hears what the hub answers.
//! - [`system`]: all of it together.
//! - [`ports`]: free ports for servers that must be told theirs.
//!
//! Nothing here is part of a released binary.

pub mod apisix;
pub mod bench;
mod build;
pub mod demo;
pub mod echo;
pub mod failover;
pub mod kube;
pub mod link;
pub mod manifests;
pub mod netns;
pub mod ports;
pub mod probes;
pub mod program;
pub mod scale;
pub mod scripted;
pub mod system;
mod usage;
