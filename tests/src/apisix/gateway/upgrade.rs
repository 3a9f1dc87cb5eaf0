//! Connections that leave HTTP: once both sides agree, bytes are copied both ways.

use bytes::Bytes;
use http::header::UPGRADE;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::ProxyBody;

/// A client that asked to upgrade.
pub(super) struct Upgrade {
    client: OnUpgrade,
}

impl Upgrade {
    pub(super) fn asked_for(request: &mut Request<Incoming>) -> Option<Self> {
        let asked = request.headers().contains_key(UPGRADE);
        asked.then(|| Self {
            client: hyper::upgrade::on(request),
        })
    }

    /// Passes the node's agreement on, and copies from then until one side ends or `stop`.
    pub(super) fn join(self, mut response: Response<Incoming>, stop: CancellationToken) -> Response<ProxyBody> {
        let node = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            stop.run_until_cancelled(copy(self.client, node)).await;
        });
        response.map(|_| Empty::<Bytes>::new().map_err(|never| match never {}).boxed())
    }
}

async fn copy(client: OnUpgrade, node: OnUpgrade) {
    let (Ok(client), Ok(node)) = tokio::join!(client, node) else {
        return;
    };
    let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut node).await {
        tracing::debug!(error = %error, "upgraded connection ended");
    }
}
