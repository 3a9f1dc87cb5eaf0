//! What agents are told for the statuses that they write.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hubline::model::HostName;
use hubline::wire::limits::MAX_ADDRESSES;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StatusConfig {
    /// By which addresses the world reaches APISIX, or its load balancer: IP addresses and DNS names, which agents write
    /// into the status of Ingresses. None means that they write none.
    pub addresses: Vec<String>,
}

impl StatusConfig {
    pub(super) fn validate(&self, field: &str, faults: &mut Vec<String>) {
        let count = self.addresses.len();
        if count > MAX_ADDRESSES {
            faults.push(format!(
                "{field}.addresses has {count} addresses; allowed: at most {MAX_ADDRESSES}"
            ));
        }
        let mut seen = BTreeSet::new();
        for (at, address) in self.addresses.iter().enumerate() {
            if !is_address(address) {
                faults.push(format!(
                    "{field}.addresses.{at}: {address:?} is no address of a load balancer; allowed: an IP address, as \"203.0.113.7\", or a DNS name, as \"lb.example.com\", without port and wildcard"
                ));
            } else if !seen.insert(address) {
                faults.push(format!("{field}.addresses.{at}: {address} is listed twice"));
            }
        }
    }
}

/// What Kubernetes takes as `ip` or `hostname` of an Ingress, and somebody may reach. A name whose last label has no
/// letter is an address that was misspelt.
fn is_address(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(address) => !address.is_unspecified(),
        Err(_) => {
            let lettered = text
                .rsplit('.')
                .next()
                .is_some_and(|label| label.contains(char::is_alphabetic));
            let plain = HostName::new(text).is_ok_and(|host| !host.is_wildcard() && host.as_str() == text);
            plain && lettered && !text.contains('_')
        }
    }
}
