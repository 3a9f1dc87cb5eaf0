//! Kubernetes objects as tests need them: the fields that matter, everything else by default.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressClass, IngressClassSpec, IngressRule,
    IngressServiceBackend, IngressSpec, ServiceBackendPort,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The label by which an EndpointSlice belongs to its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Marks the IngressClass that Ingresses without a class belong to.
pub const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// Metadata with a namespace and a name.
#[must_use]
pub fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

/// An IngressClass of `controller`.
#[must_use]
pub fn ingress_class(name: &str, controller: &str, default: bool) -> IngressClass {
    let mark = (DEFAULT_CLASS.to_owned(), "true".to_owned());
    IngressClass {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            annotations: default.then(|| BTreeMap::from([mark])),
            ..ObjectMeta::default()
        },
        spec: Some(IngressClassSpec {
            controller: Some(controller.to_owned()),
            parameters: None,
        }),
    }
}

/// An Ingress of one host that sends all paths below `path` to one service port.
#[must_use]
pub fn ingress(namespace: &str, name: &str, class: &str, host: &str, path: &str, backend: (&str, i32)) -> Ingress {
    let path = HTTPIngressPath {
        path: Some(path.to_owned()),
        path_type: "Prefix".to_owned(),
        backend: ingress_backend(backend.0, backend.1),
    };
    Ingress {
        metadata: metadata(namespace, name),
        spec: Some(IngressSpec {
            ingress_class_name: Some(class.to_owned()),
            rules: Some(vec![IngressRule {
                host: Some(host.to_owned()),
                http: Some(HTTPIngressRuleValue { paths: vec![path] }),
            }]),
            ..IngressSpec::default()
        }),
        status: None,
    }
}

/// A backend of an Ingress by service and port number.
#[must_use]
pub fn ingress_backend(service: &str, port: i32) -> IngressBackend {
    IngressBackend {
        service: Some(IngressServiceBackend {
            name: service.to_owned(),
            port: Some(ServiceBackendPort {
                number: Some(port),
                name: None,
            }),
        }),
        resource: None,
    }
}

/// A Service without selector: one TCP port named `http`, `port` in front and `target` at the
/// pods.
#[must_use]
pub fn service(namespace: &str, name: &str, port: i32, target: i32) -> Service {
    Service {
        metadata: metadata(namespace, name),
        spec: Some(ServiceSpec {
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port,
                target_port: Some(IntOrString::Int(target)),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// An EndpointSlice of a service: the ready `addresses` (all IPv4 or all IPv6, which decides the
/// address type), with its one port named `http`. Written in place of the controller that real
/// clusters have.
#[must_use]
pub fn endpoint_slice(namespace: &str, name: &str, service: &str, addresses: &[&str], port: i32) -> EndpointSlice {
    let label = (SERVICE_NAME.to_owned(), service.to_owned());
    let version6 = addresses.iter().any(|address| address.contains(':'));
    EndpointSlice {
        metadata: ObjectMeta {
            labels: Some(BTreeMap::from([label])),
            ..metadata(namespace, name)
        },
        address_type: if version6 { "IPv6" } else { "IPv4" }.to_owned(),
        endpoints: Some(addresses.iter().map(|address| ready(address)).collect()),
        ports: Some(vec![EndpointPort {
            name: Some("http".to_owned()),
            port: Some(port),
            protocol: Some("TCP".to_owned()),
            app_protocol: None,
        }]),
    }
}

/// One ready endpoint.
#[must_use]
pub fn ready(address: &str) -> Endpoint {
    endpoint(address, true, true, false)
}

/// One endpoint with its three conditions.
#[must_use]
pub fn endpoint(address: &str, ready: bool, serving: bool, terminating: bool) -> Endpoint {
    Endpoint {
        addresses: vec![address.to_owned()],
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        ..Endpoint::default()
    }
}
