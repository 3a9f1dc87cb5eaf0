//! The data plane: finds the route of a request and proxies it.
//!
//! `forward` tries nodes, `connect` reaches one, `watched` ends waits that take too long, `headers`
//! makes what is sent, `upgrade` joins websockets, `check` looks after the health of nodes.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, SERVER};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::admin::html_page;
use super::live::answers::Answer;
use super::live::facts::{Facts, authority};
use super::live::{Decision, NoDecision};
use super::server::SERVER_NAME;
use super::shared::Shared;

mod check;
mod connect;
mod forward;
mod headers;
#[cfg(test)]
mod tests;
mod upgrade;
mod watched;

pub(crate) type ProxyBody = BoxBody<Bytes, hyper::Error>;

/// Who sent a request, and over what.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) peer: SocketAddr,
    /// the gateway's port
    pub(crate) port: u16,
    /// `http` or `https`
    pub(crate) scheme: &'static str,
    /// cancelled when the gateway goes down
    pub(crate) stop: CancellationToken,
    /// told when a node goes up or down
    pub(crate) changes: watch::Sender<u64>,
}

/// Answers one request to the gateway.
pub(crate) async fn handle(shared: &Shared, client: &Client, request: Request<Incoming>) -> Response<ProxyBody> {
    let answer = match decide(shared, client, &request) {
        Ok(decision) => {
            tracing::trace!(route = %decision.route_id, "route found");
            forward::forward(&decision, client, request).await
        }
        Err(reason) => Err(refusal(reason)),
    };
    let mut response = answer.unwrap_or_else(Refusal::into_response);
    response.headers_mut().insert(SERVER, SERVER_NAME);
    response
}

fn decide(shared: &Shared, client: &Client, request: &Request<Incoming>) -> Result<Decision, NoDecision> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let host = authority(request.uri(), request.headers());
    let (method, headers) = (request.method().as_str(), request.headers());
    let facts = Facts::new(host, target, method, headers, client.peer.ip(), client.scheme);
    shared.state().live.decide(&facts)
}

fn refusal(reason: NoDecision) -> Refusal {
    match reason {
        NoDecision::Answered(answer) => Refusal::Plugin(answer),
        NoDecision::NoRoute => Refusal::NoRoute,
        NoDecision::NoService => Refusal::Page(404),
        NoDecision::NoUpstream => Refusal::Page(502),
        NoDecision::NoPluginConfig | NoDecision::NothingConfigured => Refusal::Page(503),
        NoDecision::SplitToNowhere(id) => Refusal::SplitToNowhere(id),
    }
}

/// What the gateway answers by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// what a plugin answers
    Plugin(Answer),
    NoRoute,
    /// a `traffic-split` names this upstream, which is not there
    SplitToNowhere(String),
    /// nginx's page for that status
    Page(u16),
}

impl Refusal {
    fn into_response(self) -> Response<ProxyBody> {
        let plain = "text/plain; charset=utf-8";
        let location = match &self {
            Refusal::Plugin(answer) => answer.location.as_ref().and_then(|location| location.parse().ok()),
            _ => None,
        };
        let (status, content_type, text) = match self {
            Refusal::Plugin(Answer { status, message, .. }) => {
                let body = message.map(|message| format!("{}\n", serde_json::json!({"message": message})));
                (status, plain, body.unwrap_or_default())
            }
            Refusal::NoRoute => (404, plain, "{\"error_msg\":\"404 Route Not Found\"}\n".to_owned()),
            Refusal::SplitToNowhere(id) => (
                500,
                plain,
                format!("failed to fetch upstream info by upstream id: {id}"),
            ),
            Refusal::Page(status) => (status, "text/html; charset=utf-8", html_page(status)),
        };
        let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
        let mut response = Response::new(body);
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
        let content_type = http::HeaderValue::from_static(content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
            .headers_mut()
            .extend(location.map(|location| (LOCATION, location)));
        response
    }
}
