//! One rule for streams.

use hubline::model::{Backend, HostName, Key, Port, Protocol, StreamRoute, UnixSeconds};

use super::super::draft::Made;
use super::super::{Draft, plugins};
use super::backend;
use crate::index::Purpose;
use crate::source::crd::v2::StreamRule;
use crate::translate::value;

/// Whatever is wrong leaves the rule out: a stream has no answer by which a client could be told.
pub(super) fn rule(draft: &mut Draft<'_>, field: &str, key: Key, rule: &StreamRule, created: Option<UnixSeconds>) {
    let (Some(protocol), Some(port), Ok(host)) = (
        protocol(draft, field, rule),
        port(draft, field, rule),
        host(draft, field, rule),
    ) else {
        return;
    };
    let plugins = match plugins::read(draft, &format!("{field}.plugins"), &rule.plugins) {
        Made::Good(configs) => plugins::model(&configs),
        Made::Refused => return,
        Made::Unknown => {
            draft.rendered.held = true;
            return;
        }
    };
    let field = format!("{field}.backend");
    backend::granularity(draft, &field, rule.backend.resolve_granularity.as_deref());
    let purpose = Purpose::Stream {
        protocol,
        subset: backend::subset(rule.backend.subset.as_deref()),
    };
    let named = backend::port(Some(&rule.backend.service_port));
    let Ok(found) = backend::service(draft, &field, &rule.backend.service_name, named, purpose) else {
        return;
    };
    let route = StreamRoute {
        port: Some(port),
        host,
        protocol,
        backends: vec![Backend {
            service: found.key,
            weight: 1,
        }],
        plugins,
        created,
    };
    draft.rendered.entries.insert(key, route.into());
}

fn protocol(draft: &mut Draft<'_>, field: &str, rule: &StreamRule) -> Option<Protocol> {
    match rule.protocol.to_ascii_uppercase().as_str() {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        _ => {
            let shown = value::shown(&rule.protocol);
            draft.wrong(
                format!("{field}.protocol"),
                format!("{shown} is neither TCP nor UDP; the rule is left out"),
            );
            None
        }
    }
}

fn port(draft: &mut Draft<'_>, field: &str, rule: &StreamRule) -> Option<Port> {
    let port = Port::new(rule.conditions.ingress_port);
    if let Err(error) = &port {
        draft.wrong(
            format!("{field}.match.ingressPort"),
            format!("{error}; the rule is left out"),
        );
    }
    port.ok()
}

fn host(draft: &mut Draft<'_>, field: &str, rule: &StreamRule) -> Result<Option<HostName>, ()> {
    let Some(text) = rule.conditions.host.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    HostName::new(text).map(Some).map_err(|error| {
        draft.wrong(format!("{field}.match.host"), format!("{error}; the rule is left out"));
    })
}
