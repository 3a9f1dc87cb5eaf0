//! The key `echo`: where the hub finds out whether it reaches this cluster.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// The echo port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EchoConfig {
    /// Where it is served.
    pub listen: EchoListen,
    /// `HOST:PORT` by which the hub reaches it; the pod's own address when empty.
    pub advertise: Vec<String>,
}

/// Where the echo port is: `IP:PORT`, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoListen {
    /// Nowhere.
    Off,
    /// There; port 0 takes any.
    At(SocketAddr),
}

/// Why a text is no such place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place for the echo port; allowed: IP:PORT, as \"0.0.0.0:7444\", or \"off\"")]
pub struct EchoListenError(String);

impl Default for EchoListen {
    /// The port beside the hub's 7443.
    fn default() -> Self {
        Self::At((Ipv4Addr::UNSPECIFIED, 7444).into())
    }
}

impl fmt::Display for EchoListen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::At(address) => fmt::Display::fmt(address, out),
        }
    }
}

impl FromStr for EchoListen {
    type Err = EchoListenError;

    fn from_str(text: &str) -> Result<Self, EchoListenError> {
        match text {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::At).map_err(|_| EchoListenError(text.to_owned())),
        }
    }
}

impl Serialize for EchoListen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EchoListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListenVisitor)
    }
}

/// A bare `off` is a truth value to YAML.
struct ListenVisitor;

impl Visitor<'_> for ListenVisitor {
    type Value = EchoListen;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("IP:PORT, as \"0.0.0.0:7444\", or \"off\"")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<EchoListen, E> {
        match on {
            false => Ok(EchoListen::Off),
            true => Err(E::invalid_value(de::Unexpected::Bool(on), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EchoListen, E> {
        text.parse().map_err(E::custom)
    }
}
