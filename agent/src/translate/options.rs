//! What translation depends on besides the objects.

use std::collections::BTreeSet;

use hubline::model::ClusterId;

/// See the fields; [`TranslateOptions::new`] gives the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranslateOptions {
    /// The cluster that is spoken for.
    pub cluster: ClusterId,
    /// Class that is ours even when no IngressClass object of that name exists. Default `apisix`.
    pub ingress_class: String,
    /// Values of `IngressClass.spec.controller` that are ours. Default: our own and APISIX's ingress controller's,
    /// so that its users can move without touching their manifests.
    pub controllers: Vec<String>,
    /// Zone or region of the cluster.
    pub zone: Option<String>,
    /// Addresses by which the cluster's gateways or nodes are reached.
    pub addresses: Vec<String>,
    /// `HOST:PORT` by which the hub reaches this agent's echo.
    pub echo: Vec<String>,
    /// Namespaces that are looked at; none means all.
    pub namespaces: Option<BTreeSet<String>>,
    /// Whether an Ingress may name Services of other namespaces (annotation `svc-namespace`): Kubernetes lets no Ingress
    /// do that, and the other namespace has no say in it.
    pub cross_namespace_services: bool,
}

impl TranslateOptions {
    /// The defaults for a cluster.
    #[must_use]
    pub fn new(cluster: ClusterId) -> Self {
        Self {
            cluster,
            ingress_class: "apisix".to_owned(),
            controllers: vec![
                "hubline.dev/ingress-controller".to_owned(),
                "apisix.apache.org/apisix-ingress-controller".to_owned(),
            ],
            zone: None,
            addresses: Vec::new(),
            echo: Vec::new(),
            namespaces: None,
            cross_namespace_services: false,
        }
    }
}
