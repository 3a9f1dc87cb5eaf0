//! BackendTrafficPolicy → how the Services that it names are spoken to, where Ingresses lead there.
//!
//! A policy for one port goes before one for the whole Service; of two for the same the older counts, and the other is
//! told, both when the Service is translated ([`over_service`], [`tell`]).

use hubline::model::BackendSettings;

use super::super::Draft;
use super::super::draft::Made;
use super::super::upstream::settings;
use super::target;
use crate::index::{BackendPolicy, Demand, Index};
use crate::source::crd::v1alpha1::BackendTrafficPolicySpec;
use crate::source::crd::v2::UpstreamSettings;
use crate::source::{Kind, Name, ObjectId, object};
use crate::translate::rendered::{Fault, Rendered};

/// Reads one policy, for the Services that it names.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::BackendTrafficPolicy, name);
    let listed = index.listings.is_listed(Kind::BackendTrafficPolicy);
    let Some(policy) = index.custom.backend_traffic_policies.get(name).filter(|_| listed) else {
        return draft.done();
    };
    let given = as_upstream(&policy.spec);
    // What is wrong is said here; what is right counts at the Services.
    drop(settings::over(&mut draft, "spec", &given, BackendSettings::default()));
    for (field, target) in target::of_kind(&mut draft, &policy.spec.target_refs, "", "Service") {
        let service = name.sibling(&target.name);
        let policy = draft
            .demand
            .backend_policies
            .entry(service)
            .or_insert_with(|| BackendPolicy {
                created: policy.created,
                ports: Default::default(),
                settings: Box::new(given.clone()),
            });
        let port = target.section_name.as_deref().unwrap_or_default();
        if policy.ports.get(&port.into()).is_none() {
            policy.ports.insert(port.into(), field);
        }
    }
    draft.done()
}

/// As an ApisixUpstream would have it.
fn as_upstream(spec: &BackendTrafficPolicySpec) -> UpstreamSettings {
    UpstreamSettings {
        load_balancer: spec.load_balancer.clone(),
        scheme: spec.scheme.clone(),
        retries: spec.retries,
        timeout: spec.timeout.clone(),
        health_check: spec.health_check.clone(),
        pass_host: spec.pass_host.clone(),
        upstream_host: spec.upstream_host.clone(),
        ..UpstreamSettings::default()
    }
}

/// Policies that name a port, or the whole Service where the name is empty; the one that counts first.
fn for_port<'a>(index: &'a Index, service: &Name, port: &str) -> Vec<(&'a ObjectId, &'a BackendPolicy)> {
    let policies = index.backend_policies.of(service).into_iter().flatten();
    let mut named: Vec<(&ObjectId, &BackendPolicy)> = policies
        .filter(|(_, policy)| policy.ports.get(&port.into()).is_some())
        .collect();
    named.sort_by_key(|(id, policy)| (policy.created.is_none(), policy.created, &id.name));
    named
}

/// Puts over a Service's settings what the policy for its port says, or else that for all of it.
pub(in crate::translate) fn over_service(
    index: &Index,
    service: &Name,
    port: &str,
    base: BackendSettings,
) -> Made<BackendSettings> {
    let own = for_port(index, service, port).into_iter().next();
    let Some((id, policy)) = own.or_else(|| for_port(index, service, "").into_iter().next()) else {
        return Made::Good(base);
    };
    let mut unheard = Draft::new(index, id.kind, &id.name);
    settings::over(&mut unheard, "spec", &policy.settings, base)
}

/// Tells policies that they do not count, or name what is not there.
pub(in crate::translate) fn tell(
    index: &Index,
    rendered: &mut Rendered,
    name: &Name,
    service: Option<&object::Service>,
) {
    for (id, policy) in index.backend_policies.of(name).into_iter().flatten() {
        for (port, field) in &policy.ports {
            let told = match missing(name, service, port) {
                Some(fault) => Some(fault),
                None => conflict(index, name, port, id),
            };
            if let Some(fault) = told {
                rendered.report(id.kind, &id.name, field.clone(), fault);
            }
        }
    }
}

fn missing(name: &Name, service: Option<&object::Service>, port: &str) -> Option<Fault> {
    let message = match service {
        None => format!("Service {name} does not exist"),
        Some(service) if !port.is_empty() && !service.ports.iter().any(|known| *known.name == *port) => {
            let names: Vec<&str> = service.ports.iter().map(|port| &*port.name).collect();
            format!(
                "Service {name} has no port named {port}; its ports are named: {}",
                names.join(", ")
            )
        }
        Some(_) => return None,
    };
    Some(Fault::error("TargetNotFound", message))
}

fn conflict(index: &Index, service: &Name, port: &str, policy: &ObjectId) -> Option<Fault> {
    let (first, _) = for_port(index, service, port).into_iter().next()?;
    if first == policy {
        return None;
    }
    let what = match port {
        "" => format!("Service {service}"),
        port => format!("port {port} of Service {service}"),
    };
    let message = format!("BackendTrafficPolicy {}, which is older, counts for {what}", first.name);
    Some(Fault::error("Conflicted", message))
}
