//! What is answered. Pure.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

/// Below this path everything is answered.
pub const PATH: &str = "/hubline/echo";

/// The header with the cluster's name.
pub const CLUSTER_HEADER: HeaderName = HeaderName::from_static("hubline-cluster");

/// Most bytes of the last segment, which is given back: two UUIDs.
pub const MAX_NONCE: usize = 73;

/// The answer to one request.
pub(super) fn answer<B: HttpBody>(request: &Request<B>, cluster: &HeaderValue) -> Response<Body> {
    if !request.body().is_end_stream() {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE);
    }
    if request.method() != Method::GET {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    let below = request.uri().path().strip_prefix(PATH);
    let Some(nonce) = below.and_then(|below| below.rsplit_once('/')).map(|(_, last)| last) else {
        return refuse(StatusCode::NOT_FOUND);
    };
    if !is_nonce(nonce) {
        return refuse(StatusCode::BAD_REQUEST);
    }
    let mut response = Response::new(Body::from(nonce.to_owned()));
    response.headers_mut().insert(CLUSTER_HEADER, cluster.clone());
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

/// Refusals do not name the cluster: who asks for something else is no hub.
fn refuse(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Letters that mean nothing to anyone who may see them: a stranger's text is never given back.
fn is_nonce(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_NONCE).contains(&text.len()) && text.bytes().all(allowed)
}
