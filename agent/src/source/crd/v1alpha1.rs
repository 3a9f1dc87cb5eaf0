//! `apisix.apache.org/v1alpha1`: what apisix-ingress-controller 2.x adds for Gateway API.

mod backend_traffic_policy;
mod consumer;
mod gateway_proxy;
mod http_route_policy;
mod l4_route_policy;
mod plugin_config;
mod target;

pub use backend_traffic_policy::{BackendTrafficPolicy, BackendTrafficPolicySpec};
pub use consumer::{Consumer, ConsumerSpec, Credential, GatewayReference, SecretReference};
pub use gateway_proxy::{
    AdminKey, AdminKeySource, ControlPlane, ControlPlaneAuthentication, GatewayProxy, GatewayProxySpec, Provider,
    ProviderService, SecretField, SwitchedOffPlugin,
};
pub use http_route_policy::{HttpRoutePolicy, HttpRoutePolicySpec};
pub use l4_route_policy::{L4RoutePolicy, L4RoutePolicySpec};
pub use plugin_config::{PluginConfig, PluginConfigSpec};
pub use target::PolicyTarget;
