//! A few pairs, the same in every run: Ed25519 signs without chance.

use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};

/// How many there are.
pub(crate) const COUNT: usize = 4;

/// Before the public key, after the seed: PKCS #8 with both halves (RFC 8410), so that the PEM is as long as APISIX wants.
const BEFORE: [u8; 16] = [
    0x30, 0x51, 0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const BETWEEN: [u8; 3] = [0x81, 0x21, 0x00];

/// One of them: chain and key, PEM.
pub(crate) fn pair(which: usize) -> (&'static str, &'static str) {
    static PAIRS: OnceLock<Vec<(String, String)>> = OnceLock::new();
    let pairs = PAIRS.get_or_init(|| (0..COUNT).map(|which| make(which).unwrap_or_default()).collect());
    let (chain, key) = &pairs[which % COUNT];
    (chain, key)
}

fn make(which: usize) -> anyhow::Result<(String, String)> {
    let seed = [u8::try_from(which)? + 1; 32];
    let public = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&seed)?;
    let mut der = BEFORE.to_vec();
    der.extend(seed);
    der.extend(BETWEEN);
    der.extend(aws_lc_rs::signature::KeyPair::public_key(&public).as_ref());
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(der);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)?;
    let names = vec![format!("certificate-{which}.test"), "one.test".to_owned()];
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
