//! The normalized model that agents publish and the hub merges.
//!
//! Plain values and nothing else: no Kubernetes types, no protobuf, no JSON, no I/O.
//! An invalid reference is a value here ([`Unresolved`]), not an error, so that one wrong object never hides its neighbours.
//! A test keeps `kube`, `tonic`, `prost` and `serde_json` out of this module.

mod certificate;
mod check;
mod cluster;
mod diagnostic;
mod endpoint;
mod key;
mod name;
mod outside;
mod policy;
mod resource;
mod route;
mod secret;
mod service;
mod snapshot;
#[cfg(test)]
mod tests;

pub use certificate::{Certificate, ClientVerification};
pub use check::{ActiveChecks, CheckProtocol, HealthChecks, Healthy, PassiveChecks, Unhealthy};
pub use cluster::{ClusterInfo, Node, NodeAddress, NodeAddressKind};
pub use diagnostic::{Diagnostic, ObjectRef, Severity};
pub use endpoint::{Address, Endpoint, EndpointSet, EndpointState, Place};
pub use key::{GlobalKey, GroupKind, Key, KeyParts, ResourceKind};
pub use name::{ClusterId, HostName, ModelError, Port, UnixSeconds};
pub use outside::{Discovery, Outside, OutsideNode};
pub use policy::{Consumer, Export, GlobalRule, Plugin, PluginSet};
pub use resource::Resource;
pub use route::{Backend, Comparison, Condition, PathMatch, Route, StreamRoute};
pub use secret::SecretText;
pub use service::{
    BackendSettings, ClientIdentity, HostHandling, LoadBalancing, Protocol, Scheme, Service, ServicePort, Timeouts,
    TrafficPolicy, Unresolved,
};
pub use snapshot::{Completeness, Entry, Group, GroupState, Snapshot};
