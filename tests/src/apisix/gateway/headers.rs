//! The head that is sent to a node, and the headers that go no further than one hop.

use http::header::{
    CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::{Client, ProxyBody};
use crate::apisix::live::consumers::Caller;
use crate::apisix::live::facts::authority;
use crate::apisix::live::rewrite::ProxyRewrite;
use crate::apisix::live::upstream::{Node, PassHost, Scheme, Upstream};

/// What all tries of a request have in common.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    /// path and query as the client sent them, unless they are rewritten
    target: String,
    headers: HeaderMap,
    /// the client's `Host`, unless it is rewritten
    host: String,
}

impl Head {
    pub(super) fn new(parts: &Parts, client: &Client, upgrade: bool, rewrite: &ProxyRewrite) -> Self {
        let host = authority(&parts.uri, &parts.headers).to_owned();
        let mut headers = parts.headers.clone();
        let protocol = headers.get(UPGRADE).cloned();
        remove_hop_by_hop(&mut headers);
        headers.remove(HOST);
        if let Some(protocol) = protocol.filter(|_| upgrade) {
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, protocol);
        }
        forwarded(&mut headers, client, &host);
        rewrite.headers(&mut headers);
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        Self {
            method: parts.method.clone(),
            target: rewrite.target(target),
            headers,
            host: rewrite.host.clone().unwrap_or(host),
        }
    }

    /// Says who calls, without the credentials that are to be hidden.
    pub(super) fn tell(&mut self, caller: &Caller) {
        for hidden in &caller.hidden {
            self.headers.remove(hidden.as_str());
        }
        let Some(consumer) = &caller.consumer else { return };
        let said = [
            ("x-consumer-username", Some(&consumer.name)),
            ("x-consumer-custom-id", consumer.custom_id.as_ref()),
        ];
        for (name, value) in said {
            self.headers.remove(name);
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                self.headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// Whether a gRPC client sends this.
    pub(super) fn is_grpc(&self) -> bool {
        let content_type = self.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        content_type.is_some_and(|content_type| content_type.starts_with(b"application/grpc"))
    }

    /// The `Host` that a node is sent.
    pub(super) fn host_for(&self, upstream: &Upstream, node: &Node) -> String {
        match &upstream.pass_host {
            PassHost::Pass => self.host.clone(),
            PassHost::Rewrite(host) => host.clone(),
            PassHost::Node if node.port == upstream.scheme.default_port() => node.uri_host(),
            PassHost::Node => format!("{}:{}", node.uri_host(), node.port),
        }
    }

    /// The request for a node; none if its parts make no valid one.
    pub(super) fn request(&self, scheme: Scheme, host: &str, body: ProxyBody) -> Option<Request<ProxyBody>> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = self.headers.clone();
        if scheme.http2 {
            let word = if scheme.tls { "https" } else { "http" };
            *request.uri_mut() = format!("{word}://{host}{}", self.target).parse().ok()?;
            request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        } else {
            *request.uri_mut() = self.target.parse::<Uri>().ok()?;
            request.headers_mut().insert(HOST, HeaderValue::from_str(host).ok()?);
        }
        Some(request)
    }
}

fn forwarded(headers: &mut HeaderMap, client: &Client, host: &str) {
    let address = client.peer.ip().to_string();
    let earlier = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
    let all = earlier.map_or_else(|| address.clone(), |earlier| format!("{earlier}, {address}"));
    let port = client.port.to_string();
    for (name, value) in [
        ("x-real-ip", address.as_str()),
        ("x-forwarded-for", &all),
        ("x-forwarded-proto", client.scheme),
        ("x-forwarded-host", host),
        ("x-forwarded-port", &port),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let connection = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let listed: Vec<String> = connection
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in listed {
        headers.remove(name);
    }
    for name in [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}
