//! The Admin API over HTTP: bodies are read, faults happen, calls are recorded.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue, SERVER};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::time::Instant;

use super::Connection;
use crate::apisix::admin::{AdminRequest, Answer, Body};
use crate::apisix::calls::Call;
use crate::apisix::faults::{CallHead, Fault};
use crate::apisix::shared::{Shared, lock};

pub(crate) const SERVER_NAME: HeaderValue = HeaderValue::from_static("APISIX/3.16.0");

/// Far more than the Admin API accepts, so that its own refusal is what clients see.
const READ_AT_MOST: usize = 64 * 1024 * 1024;

/// Serves one connection to the Admin API.
pub(crate) fn serve_admin(shared: Arc<Shared>, connection: Connection) -> BoxFuture<'static, ()> {
    async move {
        let service = service_fn(|request| handle(Arc::clone(&shared), request));
        let stream = TokioIo::new(connection.stream);
        let served = Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
        if let Err(error) = served {
            tracing::debug!(peer = %connection.peer, error = %error, "admin connection ended");
        }
    }
    .boxed()
}

/// An error drops the connection.
async fn handle(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, READ_AT_MOST)
        .collect()
        .await
        .map_err(io::Error::other)?;
    let body = body.to_bytes();
    let asked = Asked {
        parts,
        body,
        at: Instant::now(),
    };
    let head = CallHead {
        method: asked.parts.method.to_string(),
        path: asked.parts.uri.path().to_owned(),
    };
    let fault = lock(&shared.faults).take(&head);
    answered(&shared, &asked, fault).await
}

/// A request that has been read.
struct Asked {
    parts: Parts,
    body: Bytes,
    at: Instant,
}

async fn answered(
    shared: &Arc<Shared>,
    asked: &Asked,
    fault: Option<Fault>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let dropped = || io::Error::new(io::ErrorKind::ConnectionAborted, "dropped by a fault");
    match fault {
        Some(Fault::Dropped) => {
            shared.record(asked.call(0));
            return Err(dropped());
        }
        Some(Fault::Answer(status, text)) => {
            shared.record(asked.call(status));
            return response(status, Some("application/json"), text);
        }
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::DoneButDropped) => {
            shared.answer(&asked.request(), |_| asked.call(0));
            return Err(dropped());
        }
        None => {}
    }
    rendered(shared.answer(&asked.request(), |answer| asked.call(answer.status)))
}

impl Asked {
    fn call(&self, status: u16) -> Call {
        Call {
            at: self.at,
            method: self.parts.method.to_string(),
            path: self.parts.uri.to_string(),
            body: String::from_utf8_lossy(&self.body).into_owned(),
            status,
        }
    }

    fn request(&self) -> AdminRequest<'_> {
        AdminRequest {
            method: &self.parts.method,
            path: self.parts.uri.path(),
            query: self.parts.uri.query().unwrap_or_default(),
            headers: &self.parts.headers,
            body: &self.body,
            time: jiff::Timestamp::now().as_second(),
            now: Instant::now(),
        }
    }
}

pub(super) fn rendered(answer: Answer) -> Result<Response<Full<Bytes>>, io::Error> {
    let (content_type, text) = match answer.body {
        Body::Json(value) => (Some("application/json"), format!("{value}\n")),
        Body::Text(text) if answer.options => (Some("text/plain; charset=utf-8"), text),
        // Texts that are no JSON go under its name all the same.
        Body::Text(text) => (Some("application/json"), text),
        Body::Page(text) => (Some("text/html; charset=utf-8"), text),
        Body::Empty => (None, String::new()),
    };
    let mut response = response(answer.status, content_type, text)?;
    let headers = response.headers_mut();
    if answer.versioned {
        headers.insert("x-api-version", HeaderValue::from_static("v3"));
    }
    if answer.options {
        let methods = HeaderValue::from_static("POST, GET, PUT, OPTIONS, DELETE, PATCH");
        headers.insert("access-control-allow-methods", methods);
        headers.insert("access-control-allow-headers", HeaderValue::from_static("*"));
    }
    Ok(response)
}

fn response(status: u16, content_type: Option<&'static str>, text: String) -> Result<Response<Full<Bytes>>, io::Error> {
    let mut builder = Response::builder().status(status).header(SERVER, SERVER_NAME);
    if let Some(content_type) = content_type {
        builder = builder.header(CONTENT_TYPE, content_type);
    }
    builder.body(Full::new(Bytes::from(text))).map_err(io::Error::other)
}
