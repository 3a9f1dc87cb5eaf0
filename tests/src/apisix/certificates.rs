//! The certificates of `ssls`: their checks when they are written, and the choice by SNI.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::Value;

/// Whether the texts are a certificate and a key at all; that they belong together is not
/// checked, as at the real one. Values that point to a secret are taken as they are.
pub(crate) fn check(certificate: Option<&str>, key: Option<&str>) -> Result<(), String> {
    let inline = |text: Option<&str>| text.filter(|text| !text.starts_with('$')).map(str::to_owned);
    if let Some(certificate) = inline(certificate)
        && CertificateDer::from_pem_slice(certificate.as_bytes()).is_err()
    {
        return Err("failed to parse cert: PEM_read_bio_X509_AUX() failed".to_owned());
    }
    if let Some(key) = inline(key).filter(|key| key.starts_with("---"))
        && PrivateKeyDer::from_pem_slice(key.as_bytes()).is_err()
    {
        return Err("failed to parse key: PEM_read_bio_PrivateKey() failed".to_owned());
    }
    Ok(())
}

/// What the HTTPS listener serves.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// by object id: its names and its key
    by_id: BTreeMap<String, (Vec<String>, Arc<CertifiedKey>)>,
    /// by name, which may begin with `*.`: the objects that have it
    by_name: BTreeMap<String, Vec<String>>,
}

impl Certificates {
    /// Takes the new value of an object; none if it is gone.
    pub(crate) fn refresh(&mut self, id: &str, value: Option<&Value>) {
        self.remove(id);
        let Some(value) = value.filter(|value| serves(value)) else {
            return;
        };
        match certified_key(value) {
            Ok(key) => {
                let names = names(value);
                for name in &names {
                    self.by_name.entry(name.clone()).or_default().push(id.to_owned());
                }
                self.by_id.insert(id.to_owned(), (names, Arc::new(key)));
            }
            Err(error) => tracing::warn!(id, error = %error, "certificate not served"),
        }
    }

    fn remove(&mut self, id: &str) {
        let Some((names, _)) = self.by_id.remove(id) else {
            return;
        };
        for name in names {
            if let Some(ids) = self.by_name.get_mut(&name) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    self.by_name.remove(&name);
                }
            }
        }
    }

    /// The certificate for a server name: the exact name first, then the longest wildcard.
    pub(crate) fn resolve(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let name = name.to_lowercase();
        let parents = name.char_indices().filter(|(_, letter)| *letter == '.');
        let wildcards = parents.filter_map(|(dot, _)| Some(format!("*{}", name.get(dot..)?)));
        let mut candidates = std::iter::once(name.clone()).chain(wildcards).chain(["*".to_owned()]);
        let ids = candidates.find_map(|candidate| self.by_name.get(&candidate))?;
        let (_, key) = self.by_id.get(ids.first()?)?;
        Some(Arc::clone(key))
    }
}

fn serves(value: &Value) -> bool {
    value.get("status") != Some(&Value::from(0)) && value["type"] != "client"
}

fn names(value: &Value) -> Vec<String> {
    let several = value["snis"].as_array().into_iter().flatten();
    let all = several.chain(value.get("sni")).filter_map(Value::as_str);
    all.map(str::to_lowercase).collect()
}

fn certified_key(value: &Value) -> anyhow::Result<CertifiedKey> {
    let certificate = value["cert"].as_str().unwrap_or_default();
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().context("certificate")?;
    let key = value["key"].as_str().unwrap_or_default();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("key")?;
    let certified = CertifiedKey::new(chain, any_supported_type(&key).context("key")?);
    certified.keys_match().context("certificate and key")?;
    Ok(certified)
}
