//! The rules of upstreams, on their own or inside routes and services.

use std::net::Ipv6Addr;

use serde_json::Value;

use super::references::missing;
use super::{check_schema, configuration};
use crate::apisix::certificates;
use crate::apisix::contract;
use crate::apisix::kind::Kind;
use crate::apisix::references::id_text;
use crate::apisix::schema;
use crate::apisix::state::State;

pub(super) fn check(state: &State, upstream: &Value) -> Result<(), String> {
    configuration(check_brackets(upstream))?;
    check_schema(Kind::Upstream, upstream)?;
    check_ports(upstream)?;
    check_client_certificate(state, upstream)?;
    if upstream["pass_host"] == "rewrite" && upstream["upstream_host"].as_str().is_none_or(str::is_empty) {
        return Err("`upstream_host` can't be empty when `pass_host` is `rewrite`".to_owned());
    }
    if upstream["type"] == "chash" {
        check_hash_key(upstream)
    } else {
        Ok(())
    }
}

/// Since 3.15 a bare IPv6 address in the array form of nodes is refused.
fn check_brackets(upstream: &Value) -> Result<(), String> {
    let nodes = upstream["nodes"].as_array().into_iter().flatten();
    let mut hosts = nodes.filter_map(|node| node["host"].as_str());
    if hosts.any(|host| host.parse::<Ipv6Addr>().is_ok()) {
        return Err("IPv6 address must be enclosed with '[' and ']'".to_owned());
    }
    Ok(())
}

fn check_ports(upstream: &Value) -> Result<(), String> {
    for (address, _) in upstream["nodes"].as_object().into_iter().flatten() {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u64>().ok());
        if let Some(port) = port.filter(|port| *port == 0 || *port > u64::from(u16::MAX)) {
            return Err(format!("invalid port {port}"));
        }
    }
    Ok(())
}

fn check_client_certificate(state: &State, upstream: &Value) -> Result<(), String> {
    let tls = &upstream["tls"];
    if let Some(id) = tls.get("client_cert_id").and_then(id_text) {
        let Some(found) = state.store.get(Kind::Ssl, &id) else {
            return Err(missing("ssl", &id));
        };
        if found.value["type"] != "client" {
            return Err(format!("failed to fetch ssl info by ssl id [{id}], wrong ssl type"));
        }
    }
    certificates::check(tls["client_cert"].as_str(), tls["client_key"].as_str())
}

fn check_hash_key(upstream: &Value) -> Result<(), String> {
    let hash_on = upstream["hash_on"].as_str().unwrap_or("vars");
    if hash_on == "consumer" {
        return Ok(());
    }
    let key = upstream.get("key").ok_or("missing key")?;
    let wanted = match hash_on {
        "vars" => contract::schema_named("upstream_hash_vars_schema"),
        "header" | "cookie" => contract::schema_named("upstream_hash_header_schema"),
        _ => None,
    };
    wanted.map_or(Ok(()), |wanted| configuration(schema::check(wanted, &mut key.clone())))
}
