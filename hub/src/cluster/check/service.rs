//! Services: what of their settings APISIX could not take.

use std::ops::RangeInclusive;

use hubline::model::{ActiveChecks, HealthChecks, HostHandling, Outside, ResourceKind, Service};

use super::certificate::pair;
use super::{Checked, Refusal, refers_to};
use crate::path::reach::is_host;

pub(super) fn service(service: &Service) -> Checked {
    refers_to("service.endpoints", &service.endpoints, ResourceKind::EndpointSet)?;
    let settings = &service.settings;
    if let HostHandling::Rewrite(host) = &settings.host {
        host_header(host)?;
    }
    if let Some(identity) = &settings.identity {
        pair(
            "field service.settings.identity",
            &identity.chain,
            &identity.private_key,
        )?;
    }
    if let Some(outside) = &service.outside {
        nodes(outside)?;
    }
    settings.checks.as_ref().map_or(Ok(()), |it| checks(it))
}

/// It is put into a request's head as it stands.
fn host_header(host: &str) -> Checked {
    if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let message =
        format!("field service.settings.host: {host:?} is not a host, printable ASCII without blanks is needed");
    Err(Refusal::new("invalid-field", message))
}

fn nodes(outside: &Outside) -> Checked {
    // Lengths of APISIX's schema.
    match outside {
        Outside::Nodes(nodes) if nodes.is_empty() => wrong("service.outside.nodes", "is empty"),
        Outside::Discovery(it) if !(1..=256).contains(&it.service.chars().count()) => wrong(
            "service.outside.discovery.service",
            "must have 1 to 256 characters".to_owned(),
        ),
        Outside::Discovery(it) if it.provider.is_empty() => wrong("service.outside.discovery.provider", "is empty"),
        Outside::Nodes(_) | Outside::Discovery(_) => Ok(()),
    }
}

/// Bounds are those of APISIX's schema.
fn checks(checks: &HealthChecks) -> Checked {
    let active = &checks.active;
    target(active)?;
    let field = "service.settings.checks.active";
    let intervals = [active.healthy.interval_seconds, active.unhealthy.interval_seconds];
    if intervals.contains(&Some(0)) || active.timeout_ms == Some(0) {
        return wrong(field, "an interval and a timeout of 0 are not possible");
    }
    statuses(field, &active.healthy.statuses)?;
    statuses(field, &active.unhealthy.statuses)?;
    let failing = &active.unhealthy;
    let counts = [
        active.healthy.successes,
        failing.http_failures,
        failing.tcp_failures,
        failing.timeouts,
    ];
    numbers(field, counts, 1..=254)?;
    let Some(passive) = &checks.passive else {
        return Ok(());
    };
    let field = "service.settings.checks.passive";
    statuses(field, &passive.healthy.statuses)?;
    statuses(field, &passive.unhealthy.statuses)?;
    let failing = &passive.unhealthy;
    let counts = [
        passive.healthy.successes,
        failing.http_failures,
        failing.tcp_failures,
        failing.timeouts,
    ];
    numbers(field, counts, 0..=254)
}

fn target(active: &ActiveChecks) -> Checked {
    if let Some(host) = active.host.as_deref().filter(|host| !is_host(host)) {
        return wrong(
            "service.settings.checks.active.host",
            format!("{host:?} is not a DNS name or IP address"),
        );
    }
    // Both are put into a request as they stand.
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let path = active.path.as_deref();
    if let Some(path) = path.filter(|path| !path.starts_with('/') || path.contains(' ') || !printable(path)) {
        return wrong(
            "service.settings.checks.active.path",
            format!("{path:?} is no path; one begins with / and has no blanks"),
        );
    }
    let header = |text: &&String| !printable(text) || !text.contains(':');
    if let Some(text) = active.headers.iter().find(header) {
        return wrong(
            "service.settings.checks.active.headers",
            format!("{text:?} is no header; one is written as \"Name: value\""),
        );
    }
    Ok(())
}

fn statuses(field: &str, statuses: &[u16]) -> Checked {
    match statuses.iter().find(|status| !(200..=599).contains(*status)) {
        None => Ok(()),
        Some(status) => wrong(field, format!("status {status} is not between 200 and 599")),
    }
}

fn numbers(field: &str, counts: [Option<u8>; 4], allowed: RangeInclusive<u8>) -> Checked {
    match counts.into_iter().flatten().find(|count| !allowed.contains(count)) {
        None => Ok(()),
        Some(count) => wrong(
            field,
            format!(
                "{count} in a row is not between {} and {}",
                allowed.start(),
                allowed.end()
            ),
        ),
    }
}

fn wrong(field: &str, message: impl std::fmt::Display) -> Checked {
    Err(Refusal::new("invalid-field", format!("field {field}: {message}")))
}
