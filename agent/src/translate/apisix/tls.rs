//! ApisixTls → a certificate for the hosts that it names, and whose certificates clients must show.
//!
//! What is broken is published as it is: the hub, which may know a good one from before this agent's start, refuses it
//! and keeps what it has. So it is with a Secret that is missing, where clients are to show a certificate: were ours
//! withdrawn, a wider one that asks nothing could take its hosts.

use hubline::model::{Certificate, ClientVerification, HostName, Key, ResourceKind, SecretText};
use hubline::tls::check_authorities;

use super::Draft;
use super::draft::Made;
use crate::index::secret::Slot;
use crate::index::{Demand, Index};
use crate::source::crd::SecretKey;
use crate::source::crd::v2::MutualTls;
use crate::source::{Kind, Name};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::{TranslateOptions, class, value};

/// How many certificates may lie between where nothing is said: APISIX's own default (its schema of `ssl`).
const DEFAULT_DEPTH: u32 = 1;

/// The Gateway API's word for a reference to a certificate that leads nowhere.
const INVALID_REFERENCE: &str = "InvalidCertificateRef";

/// Translates one ApisixTls; nothing comes out when it is gone or not ours.
pub(in crate::translate) fn render(index: &Index, options: &TranslateOptions, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::ApisixTls, name);
    let listed = [Kind::ApisixTls, Kind::IngressClass];
    let tls = index.custom.apisix_tls.get(name);
    let tls = tls.filter(|_| listed.iter().all(|kind| index.listings.is_listed(*kind)));
    let Some(tls) = tls.filter(|it| class::is_custom_ours(index, options, it.spec.ingress_class_name.as_deref()))
    else {
        return draft.done();
    };
    // Both are asked for, whatever becomes of the other: what is asked for must not depend on what is there.
    let pair = secret(&mut draft, "spec.secret", &tls.spec.secret);
    let client = client(&mut draft, tls.spec.client.as_ref());
    let hosts = hosts(&mut draft, &tls.spec.hosts);
    let (chain, private_key, client) = match (pair, client) {
        (Made::Good(slot), Made::Good(client)) => {
            let name = secret_name(&draft, &tls.spec.secret);
            check_pair(&mut draft, &name, slot);
            let pair = &slot.pair;
            (pair.chain.as_ref().to_owned(), pair.private_key.clone(), client)
        }
        (Made::Refused, Made::Good(client @ Some(_))) => (String::new(), SecretText::new(String::new()), client),
        (Made::Refused, _) | (_, Made::Refused) => return draft.done(),
        (Made::Unknown, _) | (_, Made::Unknown) => {
            draft.rendered.held = true;
            return draft.done();
        }
    };
    if hosts.is_empty() {
        draft.wrong(
            "spec.hosts",
            "names no host to serve the certificate for; it is left out",
        );
        return draft.done();
    }
    let source = Kind::ApisixTls.group_kind();
    let key = Key::new(ResourceKind::Certificate, &source, &name.namespace, &name.name, "");
    let certificate = Certificate {
        hosts,
        chain,
        private_key,
        created: tls.created,
        client: client.map(Box::new),
    };
    draft.rendered.entries.insert(key, certificate.into());
    draft.done()
}

fn secret_name(draft: &Draft<'_>, secret: &SecretKey) -> Name {
    match secret.namespace.as_str() {
        "" => draft.name.sibling(&secret.name),
        namespace => Name::new(namespace, &secret.name),
    }
}

fn secret<'a>(draft: &mut Draft<'a>, field: &str, secret: &SecretKey) -> Made<&'a Slot> {
    if secret.name.is_empty() {
        let message = "names no Secret; a name and a namespace are needed";
        draft.report(field, Fault::error(INVALID_REFERENCE, message));
        return Made::Refused;
    }
    let name = secret_name(draft, secret);
    draft.secret(field, &name)
}

fn check_pair(draft: &mut Draft<'_>, name: &Name, slot: &Slot) {
    let Some(fault) = &slot.fault else {
        return;
    };
    let kept = if slot.has_good {
        "; the last good certificate stays in force"
    } else {
        ""
    };
    let message = format!("Secret {name} {}: {}{kept}", fault.field, fault.message);
    draft.report("spec.secret", Fault::error(INVALID_REFERENCE, message));
}

/// Sorted; what is no host is left out.
fn hosts(draft: &mut Draft<'_>, written: &[String]) -> Vec<HostName> {
    let mut hosts = Vec::with_capacity(written.len());
    for (at, text) in written.iter().enumerate() {
        match HostName::new(text.trim()) {
            Ok(host) => hosts.push(host),
            Err(error) => draft.wrong(format!("spec.hosts[{at}]"), error.to_string()),
        }
    }
    hosts.sort();
    hosts.dedup();
    hosts
}

fn client(draft: &mut Draft<'_>, client: Option<&MutualTls>) -> Made<Option<ClientVerification>> {
    let Some(client) = client else {
        return Made::Good(None);
    };
    let authorities = match authorities(draft, client.ca_secret.as_ref()) {
        Made::Good(authorities) => authorities,
        // Without any the hub refuses it, and keeps what it has.
        Made::Refused => String::new(),
        Made::Unknown => return Made::Unknown,
    };
    Made::Good(Some(ClientVerification {
        authorities,
        depth: depth(draft, client.depth),
        open_paths: open_paths(draft, &client.skip_mtls_uri_regex),
    }))
}

fn authorities(draft: &mut Draft<'_>, reference: Option<&SecretKey>) -> Made<String> {
    let field = "spec.client.caSecret";
    let Some(reference) = reference else {
        let message = "is needed where clients are asked for a certificate";
        draft.report(field, Fault::error(INVALID_REFERENCE, message));
        return Made::Refused;
    };
    let slot = match secret(draft, field, reference) {
        Made::Good(slot) => slot,
        Made::Refused => return Made::Refused,
        Made::Unknown => return Made::Unknown,
    };
    let name = secret_name(draft, reference);
    let Some(text) = authorities_in(slot) else {
        let message = format!(
            "Secret {name} has none of the fields cert, tls.crt, ca.crt; one with certificates (PEM) of authorities is needed"
        );
        draft.report(field, Fault::error(INVALID_REFERENCE, message));
        return Made::Refused;
    };
    let wrong = match check_authorities(text) {
        Ok(()) if !text.contains("PRIVATE KEY") => return Made::Good(text.to_owned()),
        // Certificates are shown to people, a key never.
        Ok(()) => "a private key stands among the certificates of authorities; allowed: certificates alone".to_owned(),
        Err(error) => error.to_string(),
    };
    let message = format!("Secret {name}: {wrong}; the last good ones stay in force, where there are any");
    draft.report(field, Fault::error(INVALID_REFERENCE, message));
    Made::Refused
}

/// In the order in which apisix-ingress-controller looks.
fn authorities_in(slot: &Slot) -> Option<&str> {
    let fields = |names: &[&str]| {
        let texts = names.iter().filter_map(|name| slot.field(name));
        texts.into_iter().find(|text| !text.is_empty())
    };
    // A Secret of type TLS without a key, as authorities often have it, is no pair, and its chain is the present one.
    let without_key = Some(&*slot.pair.chain).filter(|chain| !slot.has_good && !chain.is_empty());
    fields(&["cert", "tls.crt"])
        .or(without_key)
        .or_else(|| fields(&["ca.crt"]))
}

fn depth(draft: &mut Draft<'_>, depth: Option<i64>) -> u32 {
    let Some(depth) = depth else {
        return DEFAULT_DEPTH;
    };
    u32::try_from(depth).unwrap_or_else(|_| {
        let message = format!("{depth} is no number of certificates; 0 and above is allowed; 0 is taken");
        draft.wrong("spec.client.depth", message);
        0
    })
}

/// Those that are wrong are left out, so that a certificate is asked for there.
fn open_paths(draft: &mut Draft<'_>, written: &[String]) -> Vec<String> {
    let mut open = Vec::with_capacity(written.len());
    for (at, text) in written.iter().enumerate() {
        match value::regex(text) {
            Ok(text) => open.push(text),
            Err(message) => {
                let message = format!("{message}; it opens no path");
                draft.wrong(format!("spec.client.skip_mtls_uri_regex[{at}]"), message);
            }
        }
    }
    open
}
