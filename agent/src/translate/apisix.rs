//! The custom resources of APISIX: routes, upstreams and what they refer to.
//!
//! Their meaning is that of apisix-ingress-controller's own API documentation; `docs/custom-resources.md` says field by
//! field what becomes of them. As with annotations ([`super::ingress`]) nothing is dropped silently, and what is wrong
//! and decides who may ask, or what a request reaches, closes what it stands for: it answers 503 until it is right.

mod authentication;
pub(super) mod consumer;
mod draft;
pub(super) mod global_rule;
pub(super) mod plugin_config;
mod plugins;
pub(super) mod route;
pub(super) mod tls;
pub(super) mod upstream;
pub(super) mod v1alpha1;

use draft::Draft;
pub(super) use draft::Made;
