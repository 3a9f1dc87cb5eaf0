//! An authority of our own, for people who have none: makes a CA and issues the hub's and the agents' certificates.
//!
//! Writes no files and keeps no list of what it issued; revocation is a new authority.

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

use super::identity::cluster_uri;
use crate::model::{ClusterId, HostName, ModelError, SecretText};

/// One day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Ten years: renewing it means visiting every agent.
pub const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3652 * 24 * 60 * 60);
/// One year, below the 398 days that some TLS clients allow at most (CA/Browser Forum ballot SC31).
pub const LEAF_VALIDITY: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How far another machine's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::from_secs(10 * 60);

/// Why nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The hub's certificate needs a name.
    #[error("the hub's certificate needs at least one DNS name or IP address by which agents dial it")]
    NoNames,
    /// A name is neither a DNS name nor an address.
    #[error("name of the hub: {0}, or an IP address")]
    Name(#[from] ModelError),
    /// The random generator failed.
    #[error("no random numbers from the operating system")]
    Random,
    /// The authority's own files are wrong, or signing failed.
    #[error("certificate authority: {0}")]
    Signing(#[from] rcgen::Error),
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// PEM, leaf first.
    pub chain: String,
    /// PEM (PKCS#8).
    pub private_key: SecretText,
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    leaf_validity: Duration,
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority; `name` is its common name.
    ///
    /// # Errors
    /// [`AuthorityError`] when there is no randomness.
    pub fn new(name: &str) -> Result<Self, AuthorityError> {
        let mut params = params(name, AUTHORITY_VALIDITY)?;
        // It signs leaves only, no further authorities.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = CertifiedIssuer::self_signed(params.clone(), &key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self {
            issuer,
            certificate,
            leaf_validity: LEAF_VALIDITY,
        })
    }

    /// Takes up an authority from its PEM texts.
    ///
    /// # Errors
    /// [`AuthorityError::Signing`] when they are no certificate and key.
    pub fn load(certificate: &str, private_key: &SecretText) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(private_key.expose())?;
        Ok(Self {
            issuer: Issuer::from_ca_cert_pem(certificate, key)?,
            certificate: certificate.to_owned(),
            leaf_validity: LEAF_VALIDITY,
        })
    }

    /// From now on issues certificates that end after `validity` instead of [`LEAF_VALIDITY`].
    #[must_use]
    pub fn issuing_for(self, validity: Duration) -> Self {
        Self {
            leaf_validity: validity,
            ..self
        }
    }

    /// Its certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its private key, PEM.
    #[must_use]
    pub fn private_key(&self) -> SecretText {
        SecretText::new(self.issuer.key().serialize_pem())
    }

    /// Issues the hub's certificate for the names (DNS or IP) by which agents dial it.
    ///
    /// # Errors
    /// [`AuthorityError`] when there is no name, or one that is neither.
    pub fn issue_hub<S: AsRef<str>>(&self, names: &[S]) -> Result<Issued, AuthorityError> {
        if names.is_empty() {
            return Err(AuthorityError::NoNames);
        }
        let names = names
            .iter()
            .map(|name| alternative_name(name.as_ref()))
            .collect::<Result<_, _>>()?;
        self.issue("hubline hub", names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues the certificate by which an agent speaks for a cluster.
    ///
    /// # Errors
    /// [`AuthorityError`] when signing fails.
    pub fn issue_agent(&self, cluster: &ClusterId) -> Result<Issued, AuthorityError> {
        let uri = SanType::URI(cluster_uri(cluster).try_into()?);
        self.issue(cluster.as_str(), vec![uri], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, name: &str, names: Vec<SanType>, usage: ExtendedKeyUsagePurpose) -> Result<Issued, AuthorityError> {
        let mut params = params(name, self.leaf_validity)?;
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok(Issued {
            chain: params.signed_by(&key, &self.issuer)?.pem(),
            private_key: SecretText::new(key.serialize_pem()),
        })
    }
}

/// What every certificate has: name, random serial number, validity from now on.
fn params(name: &str, validity: Duration) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(serial()?);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(DAY);
    let now = date_time_ymd(1970, 1, 1) + since_1970;
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + validity;
    Ok(params)
}

/// 127 random bits: RFC 5280 section 4.1.2.2 wants a positive number of at most 20 bytes.
fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| AuthorityError::Random)?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

fn alternative_name(name: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let host = HostName::new(name)?;
    Ok(SanType::DnsName(host.as_str().to_owned().try_into()?))
}
