//! The custom resources of APISIX on Kubernetes: our own types for `apisix.apache.org/v2` ([`v2`]) and
//! `apisix.apache.org/v1alpha1` ([`v1alpha1`]), one file a kind, and the parts that several of them share.
//!
//! Field names are those of apisix-ingress-controller. What its 1.8 or its 2.x definitions accept is read here:
//! a field is required only where both require it, values are kept as written, and translate says what is wrong with
//! them. What is only passed through stays JSON. Credentials are never printed ([`SecretValue`]).

mod definitions;
mod health_check;
mod lenient;
mod plugin;
mod root;
mod secret;
mod status;
#[cfg(test)]
mod tests;
mod upstream;
pub mod v1alpha1;
pub mod v2;

pub use definitions::{DefinitionError, DefinitionFile, definitions};
pub use health_check::{
    ActiveHealthCheck, ActiveHealthy, ActiveUnhealthy, HealthCheck, PassiveHealthCheck, PassiveHealthy,
    PassiveUnhealthy,
};
pub use lenient::{IntegerOrText, NumberOrText};
pub use plugin::{NamedPlugin, SwitchedPlugin};
pub use root::Root;
pub use secret::SecretValue;
pub use status::{Ancestor, AncestorStatus, ConditionStatus};
pub use upstream::{LoadBalancer, SecretKey, Timeout};

/// API group of all of them.
pub const GROUP: &str = "apisix.apache.org";
