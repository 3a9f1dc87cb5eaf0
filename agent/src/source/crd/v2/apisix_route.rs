//! ApisixRoute: routes for HTTP, and for streams of TCP and UDP.

use ::kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::source::crd::lenient::or_default;
use crate::source::crd::{ConditionStatus, IntegerOrText, SwitchedPlugin, Timeout};

/// Routes for HTTP and for streams.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apisix.apache.org",
    version = "v2",
    kind = "ApisixRoute",
    plural = "apisixroutes",
    shortname = "ar",
    namespaced,
    status = "ConditionStatus",
    doc = "Routes for HTTP and for streams.",
    printcolumn = r#"{"name": "Hosts", "type": "string", "jsonPath": ".spec.http[].match.hosts"}"#,
    printcolumn = r#"{"name": "URIs", "type": "string", "jsonPath": ".spec.http[].match.paths"}"#,
    printcolumn = r#"{"name": "Target Service (HTTP)", "type": "string", "priority": 1,
        "jsonPath": ".spec.http[].backends[].serviceName"}"#,
    printcolumn = r#"{"name": "Ingress Port (Stream)", "type": "integer", "priority": 1,
        "jsonPath": ".spec.stream[].match.ingressPort"}"#,
    printcolumn = r#"{"name": "Target Service (Stream)", "type": "string", "priority": 1,
        "jsonPath": ".spec.stream[].backend.serviceName"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ApisixRouteSpec {
    /// Name of the IngressClass that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress_class_name: Option<String>,
    /// Rules for HTTP.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRule>,
    /// Rules for streams.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub stream: Vec<StreamRule>,
}

/// A rule for HTTP.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpRule {
    /// Name, unique in the object.
    pub name: String,
    /// Among routes that match the same path the highest wins; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Timeouts of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Which requests it is for.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub conditions: Option<HttpMatch>,
    /// Services that the requests go to; several share them by weight.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<HttpBackend>,
    /// ApisixUpstreams that the requests go to.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<UpstreamReference>,
    /// Whether connections may become WebSockets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub websocket: Option<bool>,
    /// An ApisixPluginConfig whose plugins act on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_config_name: Option<String>,
    /// Namespace of the ApisixPluginConfig; its own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin_config_namespace: Option<String>,
    /// Plugins that act on it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<SwitchedPlugin>,
    /// How callers prove who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<Authentication>,
}

/// Which requests a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMatch {
    /// Paths; one that ends in `*` is a prefix.
    pub paths: Vec<String>,
    /// Methods; all when empty.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Hosts, one level of wildcard allowed; all when empty.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Addresses and networks of callers; all when empty.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub remote_addrs: Vec<String>,
    /// Further conditions, all of which must hold.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub exprs: Vec<MatchExpression>,
    /// A Lua function that decides.
    #[serde(default, rename = "filter_func", skip_serializing_if = "Option::is_none")]
    pub filter_func: Option<String>,
}

/// A condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatchExpression {
    /// What is looked at.
    pub subject: MatchSubject,
    /// Operator, as `Equal` or `RegexMatch`.
    pub op: String,
    /// What `In` and `NotIn` compare with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Vec<String>>,
    /// What every other operator compares with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What a condition looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatchSubject {
    /// `Header`, `Query`, `Path`, `Cookie`, `Variable` or `Body`.
    #[schemars(extend("enum" = ["Header", "Query", "Path", "Cookie", "Variable", "Body"]))]
    pub scope: String,
    /// Name of the header, parameter, cookie or variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A Service that requests go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpBackend {
    /// Name of the Service, in the same namespace.
    #[serde(default)]
    pub service_name: String,
    /// Number or name of its port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_port: Option<IntegerOrText>,
    /// `endpoint` (pods) or `service` (the cluster IP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_granularity: Option<String>,
    /// Relative share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// A subset that the ApisixUpstream of the Service's name defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
}

/// An ApisixUpstream that requests go to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamReference {
    /// Name of the ApisixUpstream, in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Relative share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
}

/// How callers prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Whether they must.
    pub enable: bool,
    /// `keyAuth`, `basicAuth`, `jwtAuth`, `wolfRBAC`, `hmacAuth` or `ldapAuth`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Settings of `keyAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_auth: Option<KeyAuthentication>,
    /// Settings of `jwtAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt_auth: Option<JwtAuthentication>,
    /// Settings of `ldapAuth`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_auth: Option<LdapAuthentication>,
}

/// Settings of `keyAuth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyAuthentication {
    /// Header that holds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// Settings of `jwtAuth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JwtAuthentication {
    /// Header that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Parameter that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Cookie that holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
}

/// Settings of `ldapAuth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LdapAuthentication {
    /// Where the search begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_dn: Option<String>,
    /// The LDAP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ldap_uri: Option<String>,
    /// Whether it is spoken to over TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_tls: Option<bool>,
    /// Attribute that holds the user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// A rule for streams.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StreamRule {
    /// Name, unique in the object.
    pub name: String,
    /// `TCP` or `UDP`.
    #[schemars(extend("enum" = ["TCP", "UDP"]))]
    pub protocol: String,
    /// Which connections it is for.
    #[serde(rename = "match")]
    pub conditions: StreamMatch,
    /// The Service that they go to.
    pub backend: StreamBackend,
    /// Plugins that act on it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<SwitchedPlugin>,
}

/// Which connections a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamMatch {
    /// Port at which APISIX listens.
    #[schemars(range(min = 0, max = 65535))]
    pub ingress_port: i64,
    /// Server name (SNI) of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// The Service that connections go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamBackend {
    /// Name of the Service, in the same namespace.
    pub service_name: String,
    /// Number or name of its port.
    pub service_port: IntegerOrText,
    /// `endpoint` (pods) or `service` (the cluster IP); `endpoint` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["endpoint", "service"]))]
    pub resolve_granularity: Option<String>,
    /// A subset that the ApisixUpstream of the Service's name defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
}
