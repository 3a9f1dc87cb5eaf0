//! Nodes outside of the cluster.

use hubline::model::{Discovery, HostName, Outside, OutsideNode, Port};
use serde_json::Value;

use super::super::Draft;
use super::super::draft::Made;
use crate::source::Kind;
use crate::source::crd::v2::{self, ExternalNode};
use crate::source::object::ApisixUpstream;
use crate::translate::value;

/// Share of a node that names none (apisix-ingress-controller: `DefaultWeight`).
const WEIGHT: i64 = 100;

/// What takes the requests instead of a Service's endpoints, if anything does. A node that is wrong is left out.
pub(super) fn read(draft: &mut Draft<'_>, upstream: &ApisixUpstream) -> Made<Option<Outside>> {
    let spec = &upstream.spec;
    if let Some(found) = &spec.settings.discovery {
        if !spec.external_nodes.is_empty() {
            draft.warn("spec.externalNodes", "do nothing beside spec.discovery");
        }
        return match discovery(draft, found) {
            Some(discovery) => Made::Good(Some(Outside::Discovery(discovery))),
            None => Made::Refused,
        };
    }
    if spec.external_nodes.is_empty() {
        return Made::Good(None);
    }
    let default = port_of_scheme(spec.settings.scheme.as_deref());
    let mut nodes = Vec::with_capacity(spec.external_nodes.len());
    for (at, external) in spec.external_nodes.iter().enumerate() {
        let field = format!("spec.externalNodes[{at}]");
        match node(draft, &field, external, default) {
            Made::Good(node) => nodes.push(node),
            Made::Refused => {}
            Made::Unknown => return Made::Unknown,
        }
    }
    nodes.sort();
    nodes.dedup();
    if nodes.is_empty() {
        return Made::Refused;
    }
    Made::Good(Some(Outside::Nodes(nodes)))
}

fn port_of_scheme(scheme: Option<&str>) -> i64 {
    match scheme {
        Some("https" | "grpcs" | "tls") => 443,
        _ => 80,
    }
}

fn node(draft: &mut Draft<'_>, field: &str, node: &ExternalNode, default: i64) -> Made<OutsideNode> {
    let port = match Port::new(node.port.unwrap_or(default)) {
        Ok(port) => port,
        Err(error) => {
            draft.wrong(format!("{field}.port"), format!("{error}; the node is left out"));
            return Made::Refused;
        }
    };
    let weight = node.weight.unwrap_or(WEIGHT);
    let Ok(weight) = u32::try_from(weight) else {
        let message = format!("{weight} is no share of requests: 0 and above is allowed; the node is left out");
        draft.wrong(format!("{field}.weight"), message);
        return Made::Refused;
    };
    let name = node.name.as_deref().unwrap_or_default();
    let address = match node.node_type.as_deref().unwrap_or_default() {
        "Domain" => Made::Good(name.to_owned()),
        "Service" | "" => external_name(draft, field, name),
        other => {
            let message = format!(
                "{} is neither Domain nor Service; the node is left out",
                value::shown(other)
            );
            draft.wrong(format!("{field}.type"), message);
            Made::Refused
        }
    };
    match address {
        Made::Good(address) if is_address(&address) => Made::Good(OutsideNode { address, port, weight }),
        Made::Good(address) => {
            let shown = value::shown(&address);
            let message =
                format!("{shown} is neither a DNS name in lower case nor an IP address; the node is left out");
            draft.wrong(format!("{field}.name"), message);
            Made::Refused
        }
        Made::Refused => Made::Refused,
        Made::Unknown => Made::Unknown,
    }
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok() || HostName::new(text).is_ok_and(|host| !host.is_wildcard())
}

/// The name to which a Service of type `ExternalName` leads.
fn external_name(draft: &mut Draft<'_>, field: &str, service: &str) -> Made<String> {
    let field = format!("{field}.name");
    let name = draft.name.sibling(service);
    draft.demand.other_services.insert(name.clone());
    let Some(service) = draft.index.services.get(&name) else {
        if draft.index.unread.affects(Kind::Service) || !draft.index.listings.is_listed(Kind::Service) {
            return Made::Unknown;
        }
        draft.wrong(field, format!("Service {name} does not exist; the node is left out"));
        return Made::Refused;
    };
    match &service.external_name {
        Some(external) => Made::Good(external.as_ref().to_owned()),
        None => {
            let message = format!("Service {name} is not of type ExternalName; the node is left out");
            draft.wrong(field, message);
            Made::Refused
        }
    }
}

fn discovery(draft: &mut Draft<'_>, found: &v2::Discovery) -> Option<Discovery> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (Some(service), Some(provider)) = (given(&found.service_name), given(&found.discovery_type)) else {
        draft.wrong(
            "spec.discovery",
            "needs serviceName and type; until this is put right requests are answered with 503",
        );
        return None;
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let arguments = found.args.iter().map(|(name, value)| (name.clone(), text(value)));
    Some(Discovery {
        provider,
        service,
        arguments: arguments.collect(),
    })
}
