//! Text that is never printed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// A secret text. `Debug`, `Display` and serialization show a fingerprint, never the text.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct SecretText(SecretString);

/// How a fingerprint begins where the text would stand.
const REDACTED: &str = "redacted:";

impl SecretText {
    /// Keeps a text secret from here on.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether this is only a fingerprint, read back from a file in which the text was left out.
    #[must_use]
    pub fn is_redacted(&self) -> bool {
        self.expose().starts_with(REDACTED)
    }

    /// 64 bits of a hash, enough to see that two secrets differ and too little to find one.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        if self.is_redacted() {
            return self.expose().to_owned();
        }
        let hash = blake3::derive_key("hubline 2026 fingerprint of a secret", self.expose().as_bytes());
        let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{REDACTED}{hex}")
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl Serialize for SecretText {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.fingerprint())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.fingerprint())
    }
}

impl fmt::Display for SecretText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.fingerprint())
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for SecretText {}
