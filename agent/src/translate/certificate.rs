//! TLS: the Secrets that Ingresses refer to become certificates.
//!
//! The resource belongs to the Secret, and serves the hosts of all Ingresses that refer to it. When its content is
//! broken the last good pair (kept by the index) stays in force, and Secret and Ingress are both told. Where the index
//! has none, as after a start, the broken pair itself is published: the hub refuses it and keeps its own last good one.

use std::collections::BTreeSet;

use hubline::model::{Certificate, HostName, Key, ResourceKind};

use super::rendered::{Fault, Rendered};
use crate::few::Few;
use crate::index::Index;
use crate::index::secret::{Lookup, Pair, Slot};
use crate::source::{Kind, Name};

/// The Gateway API's word for a reference to a certificate that leads nowhere.
const INVALID_REFERENCE: &str = "InvalidCertificateRef";

pub(super) fn render(index: &Index, name: &Name) -> Rendered {
    let mut rendered = Rendered::default();
    if index.secret_users.of(name).is_none() || !index.listings.is_listed(Kind::Secret) {
        return rendered;
    }
    match index.secrets.lookup(name, index.listings.covers_all(Kind::Secret)) {
        Lookup::Known(slot) => known(&mut rendered, index, name, slot),
        Lookup::NotFound => report_to_users(&mut rendered, index, name, &format!("Secret {name} does not exist")),
        Lookup::Failed(reason) => {
            let message = format!("Secret {name} cannot be read: {reason}");
            report_to_users(&mut rendered, index, name, &message);
        }
        Lookup::Pending => {}
    }
    rendered
}

fn known(rendered: &mut Rendered, index: &Index, name: &Name, slot: &Slot) {
    if let Some(fault) = &slot.fault {
        let kept = if slot.has_good {
            "; the last good certificate stays in force"
        } else {
            ""
        };
        let message = format!("{}{kept}", fault.message);
        let told = format!("Secret {name} {}: {message}", fault.field);
        rendered.report(
            Kind::Secret,
            name,
            fault.field,
            Fault::error(INVALID_REFERENCE, message),
        );
        report_to_users(rendered, index, name, &told);
    }
    let pair = &slot.pair;
    let hosts = hosts(index, name, pair);
    // What was never good is published even without hosts: only the hub knows whether there was a good one before.
    if hosts.is_empty() && slot.has_good {
        let message = format!("neither the Ingress nor the certificate in Secret {name} names a host to serve it for");
        report_to_users(rendered, index, name, &message);
        return;
    }
    let certificate = Certificate {
        hosts: hosts.into_iter().collect(),
        chain: pair.chain.as_ref().to_owned(),
        private_key: pair.private_key.clone(),
        created: pair.created,
        client: None,
    };
    rendered.entries.insert(key(name), certificate.into());
}

/// The key of a Secret's certificate.
pub(super) fn key(name: &Name) -> Key {
    let source = Kind::Secret.group_kind();
    Key::new(ResourceKind::Certificate, &source, &name.namespace, &name.name, "")
}

/// The hosts that Ingresses name for it, and the certificate's own where one names none. An Ingress that was never
/// read may name any of the certificate's own: none of them may go out of service for that.
fn hosts(index: &Index, name: &Name, pair: &Pair) -> BTreeSet<HostName> {
    let mut hosts = BTreeSet::new();
    if index.unread.affects(Kind::Ingress) || index.unread.affects(Kind::IngressClass) {
        hosts.extend(pair.dns_names.iter().cloned());
    }
    for usage in index.secret_users.of(name).into_iter().flat_map(Few::values) {
        hosts.extend(usage.hosts.iter().cloned());
        if usage.own_names {
            hosts.extend(pair.dns_names.iter().cloned());
        }
    }
    hosts
}

fn report_to_users(rendered: &mut Rendered, index: &Index, name: &Name, message: &str) {
    for (user, usage) in index.secret_users.of(name).into_iter().flatten() {
        let fault = Fault::error(INVALID_REFERENCE, message);
        rendered.report(user.kind, &user.name, usage.field.clone(), fault);
    }
}
