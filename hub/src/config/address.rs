//! Where the API listens: never wider than this machine.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A unix socket or a loopback address. Nothing wider can be expressed, until the API has authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ApiAddress {
    /// `unix:/run/hubline/hub.sock`
    Unix(PathBuf),
    /// `http://127.0.0.1:9180`
    Loopback(SocketAddr),
}

/// Why a text is no address for the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither form.
    #[error("{0:?} is no address for the API; allowed: unix:/PATH, http://127.0.0.1:PORT or http://[::1]:PORT")]
    Form(String),
    /// Reachable from elsewhere.
    #[error(
        "{0:?} is reachable from other machines and the API has no authentication; allowed: unix:/PATH, http://127.0.0.1:PORT or http://[::1]:PORT"
    )]
    Wide(String),
}

impl TryFrom<String> for ApiAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        match address.and_then(|address| address.parse::<SocketAddr>().ok()) {
            Some(address) if address.ip().is_loopback() => Ok(Self::Loopback(address)),
            Some(_) => Err(AddressError::Wide(text)),
            None => Err(AddressError::Form(text)),
        }
    }
}

impl From<ApiAddress> for String {
    fn from(address: ApiAddress) -> String {
        address.to_string()
    }
}

impl fmt::Display for ApiAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Loopback(address) => write!(out, "http://{address}"),
        }
    }
}
