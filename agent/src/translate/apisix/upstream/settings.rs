//! How nodes are spoken to. What is not said stays as it was.

use hubline::model::{BackendSettings, ClientIdentity, HostHandling, LoadBalancing, Scheme};

use super::super::Draft;
use super::super::draft::Made;
use super::super::route::timeouts;
use super::checks;
use crate::index::secret::Slot;
use crate::source::Name;
use crate::source::crd::v2::UpstreamSettings;
use crate::source::crd::{LoadBalancer, SecretKey};
use crate::translate::value;

/// Puts settings over others. A scheme that is not understood is refused: what was to be encrypted would be sent in
/// clear. Anything else that is wrong is left out.
pub(in crate::translate::apisix) fn over(
    draft: &mut Draft<'_>,
    field: &str,
    given: &UpstreamSettings,
    mut base: BackendSettings,
) -> Made<BackendSettings> {
    let scheme = scheme(draft, field, given.scheme.as_deref());
    if let Some(balancer) = &given.load_balancer {
        let balancing = balancing(draft, &format!("{field}.loadbalancer"), balancer);
        base.load_balancing = balancing.unwrap_or(base.load_balancing);
    }
    if let Some(retries) = given.retries {
        match u32::try_from(retries) {
            Ok(retries) => base.retries = Some(retries),
            Err(_) => draft.wrong(
                format!("{field}.retries"),
                format!("{retries} is no number of tries; 0 and above is allowed; it is left out"),
            ),
        }
    }
    if let Some(timeout) = &given.timeout {
        base.timeouts = timeouts(draft, &format!("{field}.timeout"), timeout).or(base.timeouts);
    }
    if let Some(host) = host(draft, field, given) {
        base.host = host;
    }
    if let Some(check) = &given.health_check {
        base.checks = Some(Box::new(checks::read(draft, &format!("{field}.healthCheck"), check)));
    }
    let secret = given.tls_secret.as_ref();
    let identity = secret.map(|secret| identity(draft, &format!("{field}.tlsSecret"), secret));
    let Ok(scheme) = scheme else {
        return Made::Refused;
    };
    base.scheme = scheme.unwrap_or(base.scheme);
    match identity {
        None => Made::Good(base),
        Some(Made::Good(identity)) => {
            base.identity = Some(Box::new(identity));
            Made::Good(base)
        }
        Some(Made::Refused) => Made::Refused,
        Some(Made::Unknown) => Made::Unknown,
    }
}

fn scheme(draft: &mut Draft<'_>, field: &str, text: Option<&str>) -> Result<Option<Scheme>, ()> {
    let scheme = match text.unwrap_or_default() {
        "" => return Ok(None),
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "grpc" => Scheme::Grpc,
        "grpcs" => Scheme::Grpcs,
        "tcp" => Scheme::Tcp,
        "tls" => Scheme::Tls,
        "udp" => Scheme::Udp,
        other => {
            let message = format!(
                "{} is none of http, https, grpc, grpcs, tcp, tls, udp; until this is put right requests are answered with 503",
                value::shown(other)
            );
            draft.wrong(format!("{field}.scheme"), message);
            return Err(());
        }
    };
    Ok(Some(scheme))
}

fn balancing(draft: &mut Draft<'_>, field: &str, balancer: &LoadBalancer) -> Option<LoadBalancing> {
    match balancer.algorithm.as_str() {
        "roundrobin" | "" => Some(LoadBalancing::RoundRobin),
        "ewma" => Some(LoadBalancing::Ewma),
        "least_conn" => Some(LoadBalancing::LeastConnections),
        "chash" => {
            let hash_on = balancer.hash_on.clone().filter(|text| !text.is_empty());
            let hash_on = hash_on.unwrap_or_else(|| "vars".to_owned());
            let key = balancer.key.clone().unwrap_or_default();
            const KNOWN: [&str; 5] = ["vars", "header", "cookie", "consumer", "vars_combinations"];
            if !KNOWN.contains(&hash_on.as_str()) {
                let message = format!("{hash_on:?} is none of {}; requests go round", KNOWN.join(", "));
                draft.wrong(format!("{field}.hashOn"), message);
                return None;
            }
            if let Some(fault) = fault_of_key(&hash_on, &key) {
                draft.wrong(format!("{field}.key"), format!("{fault}; requests go round"));
                return None;
            }
            Some(LoadBalancing::ConsistentHash { hash_on, key })
        }
        other => {
            let message = format!(
                "{} is none of roundrobin, chash, ewma, least_conn; requests go round",
                value::shown(other)
            );
            draft.wrong(format!("{field}.type"), message);
            None
        }
    }
}

/// What is wrong with a key: APISIX refuses the whole upstream where it knows no such variable, or where it can be no
/// name (its `upstream_hash_vars_schema` and `upstream_hash_header_schema`).
fn fault_of_key(hash_on: &str, key: &str) -> Option<String> {
    const VARIABLES: [&str; 10] = [
        "uri",
        "server_name",
        "server_addr",
        "request_uri",
        "remote_port",
        "remote_addr",
        "query_string",
        "host",
        "hostname",
        "mqtt_client_id",
    ];
    let is_word = |text: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !text.is_empty() && text.bytes().all(known)
    };
    match hash_on {
        "consumer" => None,
        _ if key.is_empty() => Some("is needed for chash".to_owned()),
        "vars" if !VARIABLES.contains(&key) && !key.strip_prefix("arg_").is_some_and(is_word) => Some(format!(
            "{} is none of {}, arg_NAME",
            value::shown(key),
            VARIABLES.join(", ")
        )),
        "header" | "cookie" if !is_word(key) => Some(format!(
            "{} is no name of letters, digits, '-' and '_'",
            value::shown(key)
        )),
        _ => None,
    }
}

fn host(draft: &mut Draft<'_>, field: &str, given: &UpstreamSettings) -> Option<HostHandling> {
    let host = given.upstream_host.clone().filter(|host| !host.is_empty());
    let mode = given.pass_host.as_deref().unwrap_or_default();
    if let Some(host) = &host
        && mode != "rewrite"
    {
        let message = format!("{} does nothing unless passHost is rewrite", value::shown(host));
        draft.warn(format!("{field}.upstreamHost"), message);
    }
    match (mode, host) {
        ("", _) => None,
        ("pass", _) => Some(HostHandling::Pass),
        ("node", _) => Some(HostHandling::Node),
        // It is put into a request's head as it stands; the hub would refuse the whole Service for it.
        ("rewrite", Some(host)) if !host.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let shown = value::shown(&host);
            let message =
                format!("{shown} is no host: printable ASCII without blanks is needed; the client's Host is passed");
            draft.wrong(format!("{field}.upstreamHost"), message);
            None
        }
        ("rewrite", Some(host)) => Some(HostHandling::Rewrite(host)),
        ("rewrite", None) => {
            let message = "is needed where passHost is rewrite; the client's Host is passed";
            draft.wrong(format!("{field}.upstreamHost"), message);
            None
        }
        (other, _) => {
            let message = format!(
                "{} is none of pass, node, rewrite; the client's Host is passed",
                value::shown(other)
            );
            draft.wrong(format!("{field}.passHost"), message);
            None
        }
    }
}

/// The certificate that nodes are shown; without it they would refuse, so that what is wrong answers 503 at once.
fn identity(draft: &mut Draft<'_>, field: &str, secret: &SecretKey) -> Made<ClientIdentity> {
    let name = match secret.namespace.as_str() {
        "" => draft.name.sibling(&secret.name),
        namespace => Name::new(namespace, &secret.name),
    };
    match draft.secret(field, &name) {
        Made::Good(slot) => pair(draft, field, &name, slot),
        Made::Refused => Made::Refused,
        Made::Unknown => Made::Unknown,
    }
}

fn pair(draft: &mut Draft<'_>, field: &str, name: &Name, slot: &Slot) -> Made<ClientIdentity> {
    if let Some(fault) = &slot.fault {
        let kept = if slot.has_good {
            "; the last good one stays in force"
        } else {
            ""
        };
        draft.wrong(field, format!("Secret {name} {}: {}{kept}", fault.field, fault.message));
    }
    if !slot.has_good {
        return Made::Refused;
    }
    Made::Good(ClientIdentity {
        chain: slot.pair.chain.as_ref().to_owned(),
        private_key: slot.pair.private_key.clone(),
    })
}
