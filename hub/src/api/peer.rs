//! Who is at the other end of a connection: what the system says, never what a request says.

use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::{TcpListener, UnixListener};

/// The other end.
#[derive(Debug, Clone)]
pub(super) struct Peer(Arc<str>);

impl Peer {
    /// As it stands in an order: `uid 1000`, or `http 127.0.0.1`, which any user of this machine can be.
    pub(super) fn who(&self) -> String {
        self.0.to_string()
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let who = match stream.io().peer_cred() {
            Ok(credentials) => format!("uid {}", credentials.uid()),
            Err(_) => "unknown, unix socket".to_owned(),
        };
        Self(who.into())
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self(format!("http {}", stream.remote_addr().ip()).into())
    }
}
