//! The standard health service of gRPC: `grpc.health.v1.Health/Check`.

use std::sync::Mutex;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::get::Io;
use crate::path::evidence::ProbeFailure;

/// `grpc.health.v1.HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthCheckResponse {
    #[prost(enumeration = "ServingStatus", tag = "1")]
    pub(super) status: i32,
}

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum ServingStatus {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

/// The method.
pub(super) const CHECK: &str = "/grpc.health.v1.Health/Check";

/// Asks over a connection of its own.
pub(super) async fn check(io: Box<dyn Io>, authority: &str, service: &str) -> Result<(), ProbeFailure> {
    let answer = call(io, authority, service).await.map_err(|status| failure(&status))?;
    match answer.status() {
        ServingStatus::Serving => Ok(()),
        other => Err(ProbeFailure::Answer(format!("{other:?}"))),
    }
}

async fn call(io: Box<dyn Io>, authority: &str, service: &str) -> Result<HealthCheckResponse, Status> {
    let transport = |error: tonic::transport::Error| Status::from_error(error.into());
    let once = Mutex::new(Some(TokioIo::new(io)));
    let connector = tower::service_fn(move |_| {
        // A second connection is never wanted.
        let io = once.lock().ok().and_then(|mut io| io.take());
        std::future::ready(io.ok_or_else(|| std::io::Error::other("the connection is used up")))
    });
    let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(transport)?;
    let channel = endpoint.connect_with_connector(connector).await.map_err(transport)?;
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(transport)?;
    let request = Request::new(HealthCheckRequest {
        service: service.to_owned(),
    });
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let answer = client.unary(request, PathAndQuery::from_static(CHECK), codec).await?;
    Ok(answer.into_inner())
}

/// A target that has no health service, or does not know the one that was asked for, is set up wrong: said as it is.
fn failure(status: &Status) -> ProbeFailure {
    let message = match status.code() {
        Code::Unimplemented => "it has no health service",
        Code::NotFound => "it does not know that service",
        _ => status.message(),
    };
    ProbeFailure::Answer(format!("grpc status {:?}: {message}", status.code()))
}
