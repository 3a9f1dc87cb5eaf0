//! `apisix.apache.org/v2`: what apisix-ingress-controller 1.8 and 2.x both know.

mod apisix_consumer;
mod apisix_global_rule;
mod apisix_plugin_config;
mod apisix_route;
mod apisix_tls;
mod apisix_upstream;

pub use apisix_consumer::{
    ApisixConsumer, ApisixConsumerSpec, AuthParameter, BasicAuthValue, Credential, HmacAuthValue, JwtAuthValue,
    KeyAuthValue, LdapAuthValue, SecretName, WolfRbacValue,
};
pub use apisix_global_rule::{ApisixGlobalRule, ApisixGlobalRuleSpec};
pub use apisix_plugin_config::{ApisixPluginConfig, ApisixPluginConfigSpec};
pub use apisix_route::{
    ApisixRoute, ApisixRouteSpec, Authentication, HttpBackend, HttpMatch, HttpRule, JwtAuthentication,
    KeyAuthentication, LdapAuthentication, MatchExpression, MatchSubject, StreamBackend, StreamMatch, StreamRule,
    UpstreamReference,
};
pub use apisix_tls::{ApisixTls, ApisixTlsSpec, MutualTls};
pub use apisix_upstream::{
    ApisixUpstream, ApisixUpstreamSpec, Discovery, ExternalNode, PortLevelSettings, Subset, UpstreamSettings,
};
