//! `apisix.apache.org/v1alpha1`, one file a kind. Gateways are not read yet, so that what names one counts as if it
//! did not: every Consumer and every GatewayProxy is ours.

pub(in crate::translate) mod backend_traffic_policy;
pub(in crate::translate) mod consumer;
pub(in crate::translate) mod gateway_proxy;
pub(in crate::translate) mod http_route_policy;
pub(in crate::translate) mod l4_route_policy;
pub(in crate::translate) mod plugin_config;
mod target;
