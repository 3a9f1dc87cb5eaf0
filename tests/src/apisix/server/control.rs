//! The control API over HTTP.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;

use super::Connection;
use super::admin::rendered;
use crate::apisix::control;
use crate::apisix::shared::Shared;

/// Serves one connection to the control API.
pub(crate) fn serve_control(shared: Arc<Shared>, connection: Connection) -> BoxFuture<'static, ()> {
    async move {
        let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
            let method = request.method().as_str();
            let answer = control::answer(&shared.state().live, method, request.uri().path());
            async move { rendered(answer.unversioned()).map_err(io::Error::other) }
        });
        let stream = TokioIo::new(connection.stream);
        let served = Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await;
        if let Err(error) = served {
            tracing::debug!(peer = %connection.peer, error = %error, "control connection ended");
        }
    }
    .boxed()
}
