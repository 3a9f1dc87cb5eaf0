//! Asks the hub's API.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;

use super::CliError;
use super::show::Query;

/// The longest wait for an answer: a whole list of 100,000 routes takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where a hub's API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubAddress {
    /// `unix:/run/hubline/hub.sock`
    Unix(PathBuf),
    /// `http://127.0.0.1:9180`; behind a tunnel for hubs elsewhere.
    Http(Url),
}

/// Why a text is no address of a hub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("allowed: unix:/PATH or http://HOST:PORT")]
pub struct HubAddressError;

impl FromStr for HubAddress {
    type Err = HubAddressError;

    fn from_str(text: &str) -> Result<Self, HubAddressError> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let url = text.parse::<Url>().map_err(|_| HubAddressError)?;
        let plain = url.scheme() == "http" && url.has_host() && url.path() == "/" && url.query().is_none();
        plain.then_some(Self::Http(url)).ok_or(HubAddressError)
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Http(url) => out.write_str(url.as_str().trim_end_matches('/')),
        }
    }
}

/// Asks once.
pub(super) async fn get(address: &HubAddress, query: &Query) -> Result<Value, CliError> {
    let failed = |error: &reqwest::Error| unreachable(address, error);
    let (client, mut url) = client(address).map_err(|error| failed(&error))?;
    url.set_path(&query.path);
    if !query.parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(&query.parameters);
    }
    let answer = client.get(url).send().await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| failed(&error))?;
    let body: Value = serde_json::from_str(&text).map_err(|_| CliError::NotAHub {
        address: address.to_string(),
        reason: format!("status {status}, and the answer is no JSON"),
    })?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(refused(address, &body, status.as_u16()))
    }
}

fn client(address: &HubAddress) -> reqwest::Result<(Client, Url)> {
    // A proxy from the environment would be asked for the hub's host name.
    let builder = Client::builder().timeout(TIMEOUT).no_proxy();
    match address {
        HubAddress::Http(url) => Ok((builder.build()?, url.clone())),
        HubAddress::Unix(path) => {
            let client = builder.unix_socket(path.clone()).build()?;
            #[expect(clippy::expect_used, reason = "a constant that a test parses")]
            let url = Url::parse("http://localhost/").expect("a URL");
            Ok((client, url))
        }
    }
}

fn refused(address: &HubAddress, body: &Value, status: u16) -> CliError {
    let Some(reason) = body["reason"].as_str() else {
        return CliError::NotAHub {
            address: address.to_string(),
            reason: format!("status {status}, and the answer gives no reason"),
        };
    };
    let allowed: Vec<&str> = body["allowed"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    CliError::Refused {
        address: address.to_string(),
        reason: reason.to_owned(),
        allowed: if allowed.is_empty() {
            String::new()
        } else {
            format!("; allowed: {}", allowed.join(", "))
        },
    }
}

fn unreachable(address: &HubAddress, error: &reqwest::Error) -> CliError {
    let kind = io_kind(error);
    let reason = match kind {
        Some(io::ErrorKind::NotFound) => "no such file".to_owned(),
        Some(kind) => kind.to_string(),
        None if error.is_timeout() => format!("no answer within {} s", TIMEOUT.as_secs()),
        None => root_cause(error),
    };
    CliError::Unreachable {
        address: address.to_string(),
        reason,
        advice: advice(address, kind),
    }
}

fn advice(address: &HubAddress, kind: Option<io::ErrorKind>) -> String {
    let is_running = "is the hub running? (systemctl status hubline-hub)";
    match (address, kind) {
        (HubAddress::Unix(_), Some(io::ErrorKind::NotFound)) => format!(
            "the socket is not there: {is_running} does its configuration name another listen.api? then give it with --hub or HUBLINE_HUB"
        ),
        (HubAddress::Unix(_), Some(io::ErrorKind::PermissionDenied)) => {
            "the socket is for its owner and group: join the hub's group (usually hubline), or use sudo".to_owned()
        }
        (HubAddress::Unix(_), Some(io::ErrorKind::ConnectionRefused)) => {
            format!("nothing listens at the socket: {is_running}")
        }
        (HubAddress::Http(_), Some(io::ErrorKind::ConnectionRefused)) => {
            format!("nothing listens there: {is_running} is listen.api in its configuration this address?")
        }
        _ => format!("{is_running} is the address right? (--hub, HUBLINE_HUB)"),
    }
}

/// The system's error behind reqwest's.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>().map(io::Error::kind))
}

fn root_cause(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    std::iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}
