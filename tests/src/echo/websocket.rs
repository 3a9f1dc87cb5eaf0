//! The backend's websocket: each message comes back with its name before it.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tonic::body::Body;

/// Agrees to a websocket, which is to be talked over once the connection has left HTTP.
pub(super) fn agree(mut request: Request<Incoming>) -> (Response<Body>, Option<OnUpgrade>) {
    let upgrade = hyper::upgrade::on(&mut request);
    match create_response_with_body(&request.map(|_| ()), Body::empty) {
        Ok(response) => (response, Some(upgrade)),
        Err(_) => {
            let mut refusal = Response::new(Body::empty());
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            (refusal, None)
        }
    }
}

/// Talks until the client ends it.
pub(super) async fn talk(name: Arc<str>, upgrade: OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let io: TokioIo<Upgraded> = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message
            && socket.send(Message::text(format!("{name}: {text}"))).await.is_err()
        {
            return;
        }
    }
}

/// What comes back of a message over a websocket of this host.
///
/// # Errors
/// When there is no such websocket, or it ends without a word.
pub async fn say_by_websocket(stream: TcpStream, host: &str, message: &str) -> Result<String> {
    let uri: Uri = format!("ws://{host}/").parse()?;
    let asked = tokio_tungstenite::client_async(ClientRequestBuilder::new(uri), stream);
    let (mut socket, _) = asked.await.context("no websocket")?;
    socket.send(Message::text(message)).await?;
    let answer = socket.next().await.context("the websocket ended")??;
    socket.close(None).await?;
    Ok(answer.into_text()?.to_string())
}
