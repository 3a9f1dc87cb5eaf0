//! `plugin-config-name` and `svc-namespace`: what the routes of an Ingress refer to.

use hubline::model::ClusterId;

use super::super::super::TranslateOptions;
use super::reader::Reader;
use super::{known, value};
use crate::source::Name;

/// Longest name of an object (Kubernetes: a DNS-1123 subdomain).
const LONGEST_NAME: usize = 253;

/// An `ApisixPluginConfig` beside the Ingress. Whether it exists is its own affair.
pub(super) fn plugin_config(reader: &mut Reader<'_>, ingress: &Name) -> Option<Name> {
    let name = reader.text(known::PLUGIN_CONFIG_NAME)?;
    if !is_object_name(name) {
        let message = format!("{} is no name of an ApisixPluginConfig", value::shown(name));
        reader.refuse(known::PLUGIN_CONFIG_NAME, message);
        return None;
    }
    Some(ingress.sibling(name))
}

/// The namespace of the services, where it is another one and the operator allows that.
pub(super) fn service_namespace(
    reader: &mut Reader<'_>,
    options: &TranslateOptions,
    ingress: &Name,
) -> Option<Box<str>> {
    let namespace = reader.text(known::SVC_NAMESPACE)?;
    // A namespace's name is a label, as a cluster's is.
    if ClusterId::new(namespace).is_err() {
        let message = format!("{} is no name of a namespace", value::shown(namespace));
        reader.refuse(known::SVC_NAMESPACE, message);
        return None;
    }
    if namespace == &*ingress.namespace {
        return None;
    }
    if !options.cross_namespace_services {
        let message = format!(
            "services of namespace {namespace} may not be named from {}: the agent's operator has to allow it for the \
             cluster (crossNamespaceServices)",
            ingress.namespace
        );
        reader.refuse_as("RefNotPermitted", known::SVC_NAMESPACE, message);
        return None;
    }
    let watched = options.namespaces.as_ref();
    if watched.is_some_and(|watched| !watched.contains(namespace)) {
        let message = format!("namespace {namespace} is not among those that the agent looks at");
        reader.refuse_as("RefNotPermitted", known::SVC_NAMESPACE, message);
        return None;
    }
    Some(namespace.into())
}

fn is_object_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    name.len() <= LONGEST_NAME && edge(bytes.first()) && edge(bytes.last()) && name.bytes().all(known)
}
