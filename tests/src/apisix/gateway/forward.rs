//! Tries the nodes of an upstream, one after the other, until one answers.
//!
//! A node that can't be reached is followed by the next, as often as `retries` says. Once a
//! request was sent, only one without a body and with an idempotent method is tried again.

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};

use super::connect::{NoAnswer, connect};
use super::headers::{Head, remove_hop_by_hop};
use super::upgrade::Upgrade;
use super::{Client, ProxyBody, Refusal};
use crate::apisix::live::Decision;
use crate::apisix::live::balancer::Tried;
use crate::apisix::live::upstream::Node;

/// Sends a request to where it was decided that it goes.
pub(super) async fn forward(
    decision: &Decision,
    client: &Client,
    mut request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Refusal> {
    let upgrade = Upgrade::asked_for(&mut request).filter(|_| decision.websocket);
    let (parts, body) = request.into_parts();
    let head = Head::new(&parts, client, upgrade.is_some());
    let mut exchange = Exchange {
        decision,
        head,
        body: Pending::new(body),
    };
    let mut response = exchange.run().await?;
    if let Some(upgrade) = upgrade.filter(|_| response.status().as_u16() == 101) {
        return Ok(upgrade.join(response, client.stop.clone()));
    }
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(BodyExt::boxed))
}

/// The client's body, which can be sent once.
enum Pending {
    None,
    Unsent(Incoming),
    Sent,
}

impl Pending {
    fn new(body: Incoming) -> Self {
        if body.is_end_stream() {
            Pending::None
        } else {
            Pending::Unsent(body)
        }
    }

    fn take(&mut self) -> ProxyBody {
        if let Pending::Unsent(body) = std::mem::replace(self, Pending::Sent) {
            return body.boxed();
        }
        *self = Pending::None;
        Empty::new().map_err(|never| match never {}).boxed()
    }
}

struct Exchange<'a> {
    decision: &'a Decision,
    head: Head,
    body: Pending,
}

impl Exchange<'_> {
    async fn run(&mut self) -> Result<Response<Incoming>, Refusal> {
        let mut tried = Tried::new();
        let mut outcome = None;
        for _ in 0..=self.decision.upstream.retries {
            let Some(node) = self.decision.upstream.pick(&mut tried) else {
                break;
            };
            match self.ask(&node).await {
                Ok(response) => return Ok(response),
                Err(reason) => outcome = Some(reason),
            }
            if self.is_spent() {
                break;
            }
        }
        // Without a node at all nothing was tried.
        Err(Refusal::Page(outcome.map_or(503, NoAnswer::status)))
    }

    async fn ask(&mut self, node: &Node) -> Result<Response<Incoming>, NoAnswer> {
        let Decision { upstream, timeouts, .. } = self.decision;
        let host = self.head.host_for(upstream, node);
        let mut sender = connect(node, upstream.scheme, &host, *timeouts).await?;
        let body = self.body.take();
        let request = self
            .head
            .request(upstream.scheme, &host, body)
            .ok_or(NoAnswer::Failed)?;
        let answer = sender.send(request, *timeouts).await;
        if answer.is_err() && !self.head.method.is_idempotent() {
            self.body = Pending::Sent;
        }
        answer
    }

    /// Nothing is left that could be sent a second time.
    fn is_spent(&self) -> bool {
        matches!(self.body, Pending::Sent)
    }
}
