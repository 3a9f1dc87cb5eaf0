//! Asks the hub's API.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url};
use serde_json::Value;

use super::CliError;
use super::show::Query;

/// The longest wait for an answer: a whole list of 100,000 routes takes seconds.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The longest silence in an answer without an end: three of the hub's signs of life, of which it gives one in 15 s.
const SILENCE: Duration = Duration::from_secs(45);

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

/// What is asked of a hub.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) parameters: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            parameters: Vec::new(),
            body: None,
        }
    }

    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(path)
        }
    }
}

/// Asks for what is to be shown.
pub(super) async fn get(address: &HubAddress, query: &Query) -> Result<Value, CliError> {
    let request = Request {
        parameters: query.parameters.clone(),
        ..Request::get(query.path.clone())
    };
    ask(address, &request).await
}

/// Asks once.
pub(super) async fn ask(address: &HubAddress, request: &Request) -> Result<Value, CliError> {
    let answer = send(address, request, Client::builder().timeout(TIMEOUT)).await?;
    let (status, body) = json(address, answer).await?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(refused(address, &body, status.as_u16()))
    }
}

/// Asks for an answer without an end.
pub(super) async fn stream(address: &HubAddress, request: &Request) -> Result<Response, CliError> {
    let builder = Client::builder().connect_timeout(TIMEOUT).read_timeout(SILENCE);
    let answer = send(address, request, builder).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    // A hub that stops refuses for the moment only.
    if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
        let (_, body) = json(address, answer).await?;
        return Err(CliError::Unreachable {
            address: address.to_string(),
            reason: body["reason"].as_str().unwrap_or("not now").to_owned(),
            advice: advice(address, None),
        });
    }
    let (status, body) = json(address, answer).await?;
    Err(refused(address, &body, status.as_u16()))
}

async fn send(address: &HubAddress, request: &Request, builder: ClientBuilder) -> Result<Response, CliError> {
    let failed = |error: &reqwest::Error| unreachable(address, error);
    let (client, mut url) = client(address, builder).map_err(|error| failed(&error))?;
    url.set_path(&request.path);
    if !request.parameters.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.parameters);
    }
    let mut asked = client.request(request.method.clone(), url);
    if let Some(body) = &request.body {
        asked = asked.json(body);
    }
    asked.send().await.map_err(|error| failed(&error))
}

async fn json(address: &HubAddress, answer: Response) -> Result<(StatusCode, Value), CliError> {
    let status = answer.status();
    let text = answer.text().await.map_err(|error| unreachable(address, &error))?;
    let body = serde_json::from_str(&text).map_err(|_| CliError::NotAHub {
        address: address.to_string(),
        reason: format!("status {status}, and the answer is no JSON"),
    })?;
    Ok((status, body))
}

fn client(address: &HubAddress, builder: ClientBuilder) -> reqwest::Result<(Client, Url)> {
    // A proxy from the environment would be asked for the hub's host name.
    let builder = builder.no_proxy();
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
        advice: if body["canBeForced"] == true {
            "\n  --force does it all the same".to_owned()
        } else {
            String::new()
        },
    }
}

/// Why an answer broke off.
pub(super) fn reason(error: &reqwest::Error) -> String {
    match io_kind(error) {
        Some(kind) => kind.to_string(),
        None if error.is_timeout() => format!("no sign of life within {} s", SILENCE.as_secs()),
        None => root_cause(error),
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
