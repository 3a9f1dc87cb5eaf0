//! Certificates, as far as their server names are in force.

use std::collections::BTreeSet;

use hubline::model::{Certificate, ClientVerification, HostName};
use serde_json::{Value, json};

use super::id::Class;
use super::scope::{Rendered, Scope, fields};
use crate::cluster::check::PEM_LENGTHS;
use crate::federate::Claim;
use crate::object::ObjectKind;
use crate::view::ProblemKind;

/// Renders a certificate. Whether the key fits is checked before it is sent, not here.
pub(super) fn render(scope: &Scope<'_>, certificate: &Certificate) -> Rendered {
    let mut rendered = make(scope, certificate);
    rendered.problems.extend(scope.conflicts());
    rendered
}

fn make(scope: &Scope<'_>, certificate: &Certificate) -> Rendered {
    let names: BTreeSet<&HostName> = scope
        .standing
        .granted
        .iter()
        .filter_map(|claim| server_name(claim))
        .collect();
    if names.is_empty() {
        return Rendered::default();
    }
    if certificate.private_key.is_redacted() {
        let message = format!("{}: the private key was left out of the file", scope.subject());
        return scope.withhold(ProblemKind::Refused, "Redacted", message);
    }
    let (chain, key) = (&certificate.chain, certificate.private_key.expose());
    if !PEM_LENGTHS.contains(&chain.chars().count()) || !PEM_LENGTHS.contains(&key.chars().count()) {
        let message = format!(
            "{}: chain and key must have 128 to 65536 characters each",
            scope.subject()
        );
        return scope.refuse("InvalidCertificate", message);
    }
    let mut body = fields(json!({"snis": names, "cert": chain, "key": key, "type": "server", "status": 1}));
    if let Some(client) = &certificate.client {
        body.insert("client".to_owned(), verification(client));
    }
    let id = scope.id(ObjectKind::Ssl, Class::Certificate, &scope.key.key, "");
    Rendered {
        objects: vec![scope.object(id, body, BTreeSet::new()).into()],
        claims: scope.standing.granted.clone(),
        ..Rendered::default()
    }
}

fn verification(client: &ClientVerification) -> Value {
    let mut body = fields(json!({"ca": client.authorities, "depth": client.depth}));
    if !client.open_paths.is_empty() {
        body.insert("skip_mtls_uri_regex".to_owned(), json!(client.open_paths));
    }
    Value::Object(body)
}

fn server_name(claim: &Claim) -> Option<&HostName> {
    match claim {
        Claim::ServerName(name) => Some(name),
        Claim::Requests { .. } | Claim::Connections { .. } | Claim::Credential(_) => None,
    }
}
