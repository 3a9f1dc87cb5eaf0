//! Real kube-apiservers with etcd for tests, several at once, with RBAC on.
//!
//! [`KubeServer::start`] gives a ready server. There are no controllers and no kubelets: tests
//! write EndpointSlices, Nodes and Pods themselves, with the builders of [`objects`]. See
//! `tests/kube/README.md` for where the binaries come from.

mod access;
pub mod assets;
mod identity;
mod manifests;
pub mod objects;
pub(crate) mod process;
mod server;

pub use identity::User;
pub use server::KubeServer;
