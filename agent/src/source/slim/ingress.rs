//! Ingress and IngressClass.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1;

use super::{annotation, created, each};
use crate::source::object::{
    ANNOTATION_PREFIX, Annotations, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls,
    PortReference,
};

/// The class as it was named before `spec.ingressClassName`.
const LEGACY_CLASS: &str = "kubernetes.io/ingress.class";
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

pub(in crate::source) fn ingress(full: v1::Ingress) -> Ingress {
    let legacy = annotation(&full.metadata, LEGACY_CLASS).map(str::to_owned);
    let spec = full.spec.unwrap_or_default();
    let class = spec.ingress_class_name.or(legacy).filter(|class| !class.is_empty());
    Ingress {
        created: created(&full.metadata),
        class: class.map(Into::into),
        annotations: annotations(full.metadata.annotations.unwrap_or_default()),
        default_backend: spec.default_backend.map(backend),
        rules: each(spec.rules.unwrap_or_default(), rule),
        tls: each(spec.tls.unwrap_or_default(), tls),
    }
}

/// All others are left out: `kubectl apply` keeps the whole object in one of them.
fn annotations(all: BTreeMap<String, String>) -> Annotations {
    let ours = all.into_iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(ANNOTATION_PREFIX)?;
        Some((name.into(), value.into()))
    });
    Annotations::new(ours)
}

fn rule(full: v1::IngressRule) -> IngressRule {
    IngressRule {
        host: full.host.filter(|host| !host.is_empty()).map(Into::into),
        paths: full.http.map(|http| each(http.paths, path)),
    }
}

fn path(full: v1::HTTPIngressPath) -> IngressPath {
    IngressPath {
        path: full.path.unwrap_or_default().into(),
        path_type: full.path_type.into(),
        backend: backend(full.backend),
    }
}

fn backend(full: v1::IngressBackend) -> IngressBackend {
    if let Some(resource) = full.resource {
        return IngressBackend::Resource(format!("{} {}", resource.kind, resource.name).into());
    }
    let Some(service) = full.service else {
        return IngressBackend::Missing;
    };
    IngressBackend::Service {
        service: service.name.into(),
        port: port(service.port.unwrap_or_default()),
    }
}

fn port(full: v1::ServiceBackendPort) -> PortReference {
    match (full.number, full.name) {
        (Some(number), _) => PortReference::Number(number),
        (None, Some(name)) => PortReference::Name(name.into()),
        (None, None) => PortReference::Missing,
    }
}

fn tls(full: v1::IngressTLS) -> IngressTls {
    IngressTls {
        hosts: each(full.hosts.unwrap_or_default(), Into::into),
        secret: full.secret_name.filter(|name| !name.is_empty()).map(Into::into),
    }
}

pub(in crate::source) fn ingress_class(full: v1::IngressClass) -> IngressClass {
    IngressClass {
        is_default: annotation(&full.metadata, DEFAULT_CLASS) == Some("true"),
        controller: full.spec.and_then(|spec| spec.controller).unwrap_or_default().into(),
    }
}
