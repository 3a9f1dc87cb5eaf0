//! What is answered. Pure.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hubline::echo::{CLUSTER_HEADER, PATH, is_nonce};

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
