//! Sealing of values: AES-256-GCM, bound to what the value belongs to.
//!
//! Nonces are random: 2^32 values under one key keep the chance of two equal ones below 2^-32 (NIST SP 800-38D,
//! section 8.3), that is four years of 34 values a second; after that the chance grows slowly.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// First byte of a sealed value, for the day the form changes.
const FORM: u8 = 1;

/// Seals and opens values.
pub(super) struct Sealer(LessSafeKey);

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sealer")
    }
}

impl Sealer {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> std::io::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key);
        let key = key.map_err(|_| std::io::Error::other("not a key for AES-256-GCM"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a value for one place: opened under the name of another, it is damaged.
    pub(super) fn seal(&self, place: &str, value: &[u8]) -> std::io::Result<Vec<u8>> {
        let failed = |what: &str| std::io::Error::other(what.to_owned());
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| failed("the system gives no random bytes"))?;
        let mut body = value.to_vec();
        self.0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(place.as_bytes()),
                &mut body,
            )
            .map_err(|_| failed("a value could not be sealed"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
        sealed.push(FORM);
        sealed.extend_from_slice(&nonce);
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens a value; none when it was not sealed with this key for this place.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (form, rest) = sealed.split_first()?;
        if *form != FORM {
            return None;
        }
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut body);
        let length = opened.ok()?.len();
        body.truncate(length);
        Some(body)
    }
}

/// The place of a resource's value.
pub(super) fn resource_place(cluster: &str, key: &str) -> String {
    format!("resource\0{cluster}\0{key}")
}

/// The place of a cluster's facts.
pub(super) fn cluster_place(cluster: &str) -> String {
    format!("cluster\0{cluster}")
}
