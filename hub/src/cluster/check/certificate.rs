//! Certificates: pairs that belong together, and what clients must show.

use hubline::model::{Certificate, ClientVerification, Key, SecretText};
use hubline::tls::check_authorities;

use super::{Checked, PEM_LENGTHS, Refusal};

pub(super) fn certificate(key: &Key, certificate: &Certificate) -> Checked {
    let subject = format!("{} {}/{}", key.source.kind, key.namespace, key.name);
    pair(&subject, &certificate.chain, &certificate.private_key)?;
    certificate
        .client
        .as_ref()
        .map_or(Ok(()), |client| verification(&subject, client))
}

/// A chain and a key that APISIX can take.
pub(super) fn pair(subject: &str, chain: &str, private_key: &SecretText) -> Checked {
    let lengths = [chain, private_key.expose()].map(|text| text.chars().count());
    if lengths.iter().any(|length| length > PEM_LENGTHS.end()) {
        let most = PEM_LENGTHS.end();
        return refuse(format!("{subject}: chain and key may have {most} characters"));
    }
    let checked = hubline::tls::check_pair(chain, private_key);
    checked
        .map(|_| ())
        .or_else(|error| refuse(format!("{subject}: {error}")))
}

/// What is wrong here must not end in a certificate that asks nothing of clients.
fn verification(subject: &str, client: &ClientVerification) -> Checked {
    if !PEM_LENGTHS.contains(&client.authorities.chars().count()) {
        let (least, most) = (PEM_LENGTHS.start(), PEM_LENGTHS.end());
        return refuse(format!(
            "{subject}: authorities for clients may have {least} to {most} characters"
        ));
    }
    check_authorities(&client.authorities)
        .or_else(|error| refuse(format!("{subject}: authorities for clients: {error}")))
}

fn refuse(message: String) -> Checked {
    Err(Refusal::new("invalid-certificate", message))
}
