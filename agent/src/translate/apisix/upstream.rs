//! ApisixUpstream: how the Service of its name is spoken to ([`over_service`]), and nodes outside of the cluster, which
//! are a service of its own ([`render`]).

mod checks;
mod nodes;
pub(super) mod settings;

use hubline::model::{
    BackendSettings, Key, Port, Protocol, ResourceKind, Service, ServicePort, TrafficPolicy, Unresolved,
};

use super::Draft;
use super::draft::Made;
use crate::index::{Demand, Index};
use crate::source::object::ApisixUpstream;
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::{TranslateOptions, class};

/// The key of the service that an ApisixUpstream's nodes are.
pub(super) fn key(name: &Name) -> Key {
    resource_key(ResourceKind::Service, name)
}

fn resource_key(kind: ResourceKind, name: &Name) -> Key {
    let source = Kind::ApisixUpstream.group_kind();
    Key::new(kind, &source, &name.namespace, &name.name, "")
}

fn find<'a>(index: &'a Index, options: &TranslateOptions, name: &Name) -> Option<&'a ApisixUpstream> {
    let upstream = index.custom.apisix_upstreams.get(name);
    upstream.filter(|it| class::is_custom_ours(index, options, it.spec.ingress_class_name.as_deref()))
}

/// Puts over a Service's settings what the ApisixUpstream of its name says, that of the port last.
/// What is wrong is reported at the ApisixUpstream itself.
pub(in crate::translate) fn over_service(
    index: &Index,
    options: &TranslateOptions,
    name: &Name,
    port: Option<Port>,
    base: BackendSettings,
) -> Made<BackendSettings> {
    let Some(upstream) = find(index, options, name) else {
        return Made::Good(base);
    };
    let mut unheard = Draft::new(index, Kind::ApisixUpstream, name);
    over(&mut unheard, upstream, base, |number| {
        port.map(|port| i64::from(port.get())) == Some(number)
    })
}

fn over(
    draft: &mut Draft<'_>,
    upstream: &ApisixUpstream,
    base: BackendSettings,
    is_meant: impl Fn(i64) -> bool,
) -> Made<BackendSettings> {
    let mut made = settings::over(draft, "spec", &upstream.spec.settings, base);
    for (at, port) in upstream.spec.port_level_settings.iter().enumerate() {
        match made {
            Made::Good(base) if port.port.is_some_and(&is_meant) => {
                let field = format!("spec.portLevelSettings[{at}]");
                made = settings::over(draft, &field, &port.settings, base);
            }
            other => made = other,
        }
    }
    made
}

/// The nodes outside of the cluster, if it has any, or why what names it leads nowhere.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixUpstream, name);
    let listed = [Kind::ApisixUpstream, Kind::IngressClass];
    if !listed.iter().all(|kind| index.listings.is_listed(*kind)) {
        return draft.done();
    }
    let Some(upstream) = find(index, options, name) else {
        missing(&mut draft);
        return draft.done();
    };
    check_ports(&mut draft, upstream);
    let settings = settings::over(&mut draft, "spec", &upstream.spec.settings, BackendSettings::default());
    let outside = nodes::read(&mut draft, upstream);
    let (settings, outside) = match (settings, outside) {
        (Made::Unknown, _) | (_, Made::Unknown) => {
            draft.rendered.held = true;
            return draft.done();
        }
        (Made::Good(settings), Made::Good(Some(outside))) => (settings, Ok(outside)),
        (Made::Good(_), Made::Good(None)) if index.upstream_users.of(name).is_none() => return draft.done(),
        (Made::Good(settings), Made::Good(None)) => {
            let why =
                format!("ApisixUpstream {name} has neither externalNodes nor discovery, so that nothing leads there");
            tell_users(&mut draft, &why);
            (settings, Err(why))
        }
        (Made::Refused, _) | (_, Made::Refused) => {
            let why = format!("ApisixUpstream {name} is wrong and says so in its status");
            (BackendSettings::default(), Err(why))
        }
    };
    let mut service = service(name, settings);
    match outside {
        Ok(outside) => service.outside = Some(Box::new(outside)),
        Err(message) => service.unresolved = unresolved("UnsupportedValue", message),
    }
    draft.rendered.entries.insert(key(name), service.into());
    draft.done()
}

/// Settings of ports are read for what is wrong with them; what they say counts at the Service.
fn check_ports(draft: &mut Draft<'_>, upstream: &ApisixUpstream) {
    for (at, port) in upstream.spec.port_level_settings.iter().enumerate() {
        let field = format!("spec.portLevelSettings[{at}]");
        if let Err(error) = Port::new(port.port.unwrap_or_default()) {
            draft.wrong(
                format!("{field}.port"),
                format!("{error}; the settings are for no port"),
            );
        }
        drop(settings::over(
            draft,
            &field,
            &port.settings,
            BackendSettings::default(),
        ));
    }
    for (at, _) in upstream.spec.settings.subsets.iter().enumerate() {
        let message = "subsets are not supported: backends that name one answer 503";
        draft.warn(format!("spec.subsets[{at}]"), message);
    }
}

fn missing(draft: &mut Draft<'_>) {
    let (index, name) = (draft.index, draft.name);
    if index.upstream_users.of(name).is_none() {
        return;
    }
    if index.unread.affects(Kind::ApisixUpstream) && !index.custom.apisix_upstreams.contains_key(name) {
        draft.rendered.held = true;
        return;
    }
    let why = match index.custom.apisix_upstreams.contains_key(name) {
        true => "is of another ingress class",
        false => "does not exist",
    };
    let message = format!("ApisixUpstream {name} {why}");
    tell_users(draft, &message);
    let mut service = service(name, BackendSettings::default());
    service.unresolved = unresolved("BackendNotFound", message);
    draft.rendered.entries.insert(key(name), service.into());
}

fn tell_users(draft: &mut Draft<'_>, message: &str) {
    for (user, field) in draft.index.upstream_users.of(draft.name).into_iter().flatten() {
        let fault = Fault::error("BackendNotFound", message);
        draft.rendered.report(user.kind, &user.name, field.clone(), fault);
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is a field's value")]
fn unresolved(reason: &str, message: String) -> Option<Box<Unresolved>> {
    Some(Box::new(Unresolved {
        reason: reason.to_owned(),
        message,
    }))
}

fn service(name: &Name, settings: BackendSettings) -> Service {
    Service {
        port: ServicePort {
            number: None,
            name: None,
            protocol: Protocol::Tcp,
            app_protocol: None,
        },
        endpoints: resource_key(ResourceKind::EndpointSet, name),
        external_name: None,
        outside: None,
        node_port: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        load_balancer_addresses: Vec::new(),
        settings,
        unresolved: None,
    }
}
