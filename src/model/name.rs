//! Names and numbers that are checked once, where they enter.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Not a DNS-1123 label.
    #[error(
        "cluster name {0:?} is not a DNS-1123 label: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit"
    )]
    ClusterId(String),
    /// Not a DNS name, nor a wildcard of one.
    #[error(
        "host {0:?} is not a DNS name: labels of a-z, 0-9, '-' and '_' joined by dots, at most 253 characters, optionally beginning with \"*.\""
    )]
    HostName(String),
    /// Not a port.
    #[error("port {0} is not between 1 and 65535")]
    Port(i64),
}

/// One Kubernetes cluster (or manifest directory): a DNS-1123 label, unique at the hub.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
// One word and not two, which a hub would keep with every key of every index.
pub struct ClusterId(std::sync::Arc<Box<str>>);

impl Ord for ClusterId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        super::key::shared_order(&self.0, &other.0)
    }
}

impl PartialOrd for ClusterId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl ClusterId {
    /// Checks and keeps a cluster's name.
    ///
    /// # Errors
    /// [`ModelError::ClusterId`] when it is not a DNS-1123 label.
    pub fn new(text: &str) -> Result<Self, ModelError> {
        let inner = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = text.as_bytes();
        // 63: RFC 1123 section 2.1 through RFC 1035 section 2.3.4.
        let valid = bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner);
        if valid {
            Ok(Self(std::sync::Arc::new(text.into())))
        } else {
            Err(ModelError::ClusterId(text.to_owned()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host that routes and certificates name: a lower-case DNS name, or one wildcard label before it (`*.example.com`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(std::sync::Arc<str>);

impl HostName {
    /// Checks a host and keeps it in lower case.
    ///
    /// # Errors
    /// [`ModelError::HostName`] when it is no DNS name.
    pub fn new(text: &str) -> Result<Self, ModelError> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        // 253 and 63: RFC 1035 section 2.3.4. Underscores are no host names by the RFC, but they are in use.
        let label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        let valid = lower.len() <= 253 && name.split('.').all(label);
        if valid {
            Ok(Self(lower.into()))
        } else {
            Err(ModelError::HostName(text.to_owned()))
        }
    }

    /// The host as text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the first label is `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

macro_rules! text_impls {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, out)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = ModelError;
            fn from_str(text: &str) -> Result<Self, ModelError> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = ModelError;
            fn try_from(text: String) -> Result<Self, ModelError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.as_str().to_owned()
            }
        }
    };
}
text_impls!(ClusterId);
text_impls!(HostName);

/// A TCP or UDP port, 1 to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Port(NonZeroU16);

impl Port {
    /// Checks a port as Kubernetes writes it.
    ///
    /// # Errors
    /// [`ModelError::Port`] outside 1 to 65535.
    pub fn new(number: impl Into<i64>) -> Result<Self, ModelError> {
        let number = number.into();
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.map(Self).ok_or(ModelError::Port(number))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// A moment in whole seconds since 1970, as Kubernetes' `creationTimestamp` gives it; it orders claims and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);
