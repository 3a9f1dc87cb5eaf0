//! The backend's gRPC method: answers with its name.

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

/// Asks who answers.
#[derive(Clone, PartialEq, prost::Message)]
struct Question {}

/// Who answers.
#[derive(Clone, PartialEq, prost::Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

const METHOD: PathAndQuery = PathAndQuery::from_static("/hubline.sandbox.v1.Echo/Name");

pub(super) async fn answer(name: Arc<str>, request: Request<Incoming>) -> Response<Body> {
    let method = tower::service_fn(move |_: tonic::Request<Question>| {
        let name = name.to_string();
        async move { Ok::<_, Status>(tonic::Response::new(Name { name })) }
    });
    let mut server = tonic::server::Grpc::new(ProstCodec::<Name, Question>::default());
    server.unary(method, request).await
}

/// The name of the backend that answers a call over this channel with status 0.
///
/// # Errors
/// The call's status, when it is another.
pub async fn name_by_grpc(channel: Channel) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let codec = ProstCodec::<Question, Name>::default();
    let answer = client.unary(tonic::Request::new(Question {}), METHOD, codec).await?;
    Ok(answer.into_inner().name)
}
