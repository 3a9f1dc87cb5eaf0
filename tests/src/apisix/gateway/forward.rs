//! Tries the nodes of an upstream, one after the other, until one answers.
//!
//! A node that can't be reached is followed by the next, as often as `retries` says and as long as
//! `retry_timeout` does. Once a request was sent, only one without a body and with an idempotent
//! method is tried again.
//!
//! gRPC goes to upstreams of scheme `grpc` or `grpcs`. Through any other its trailers are lost, and
//! with them its status. What is not gRPC finds nobody who understands it behind such an upstream:
//! it is answered 502.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Frame, Incoming};
use tokio::time::Instant;

use super::check::begin;
use super::connect::{NoAnswer, connect};
use super::headers::{Head, remove_hop_by_hop};
use super::upgrade::Upgrade;
use super::{Client, ProxyBody, Refusal};
use crate::apisix::live::Decision;
use crate::apisix::live::balancer::Tried;
use crate::apisix::live::health::Finding;
use crate::apisix::live::upstream::Node;

/// Sends a request to where it was decided that it goes.
pub(super) async fn forward(
    decision: &Decision,
    client: &Client,
    mut request: Request<Incoming>,
) -> Result<Response<ProxyBody>, Refusal> {
    let upgrade = Upgrade::asked_for(&mut request).filter(|_| decision.websocket);
    let (parts, body) = request.into_parts();
    let rewrite = decision.rewrite.clone().unwrap_or_default();
    let mut head = Head::new(&parts, client, upgrade.is_some(), &rewrite);
    head.tell(&decision.caller);
    let for_grpc = decision.upstream.scheme.http2;
    if for_grpc && !head.is_grpc() {
        return Err(Refusal::Page(502));
    }
    begin(&decision.upstream, client.changes.clone());
    let mut exchange = Exchange {
        decision,
        client,
        head,
        body: Pending::new(body),
    };
    let mut response = exchange.run().await?;
    if let Some(upgrade) = upgrade.filter(|_| response.status().as_u16() == 101) {
        return Ok(upgrade.join(response, client.stop.clone()));
    }
    remove_hop_by_hop(response.headers_mut());
    Ok(response.map(|body| if for_grpc { body.boxed() } else { without_trailers(body) }))
}

fn without_trailers(body: Incoming) -> ProxyBody {
    body.map_frame(|frame| {
        frame
            .into_data()
            .map_or_else(|_| Frame::data(Bytes::new()), Frame::data)
    })
    .boxed()
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
    client: &'a Client,
    head: Head,
    body: Pending,
}

impl Exchange<'_> {
    async fn run(&mut self) -> Result<Response<Incoming>, Refusal> {
        let upstream = &self.decision.upstream;
        let deadline = upstream.retry_timeout.map(|limit| Instant::now() + limit);
        let mut tried = Tried::new();
        let Some(mut node) = upstream.pick(&mut tried) else {
            return Err(Refusal::Page(503));
        };
        let mut retries = upstream.retries;
        loop {
            let reason = match self.ask(&node).await {
                Ok(response) => return Ok(response),
                Err(reason) => reason,
            };
            if retries == 0 || self.is_spent() {
                return Err(Refusal::Page(reason.status()));
            }
            retries -= 1;
            // Too late to try again, or nobody left to try: 502, whatever the last one did.
            if deadline.is_some_and(|deadline| deadline < Instant::now()) {
                return Err(Refusal::Page(502));
            }
            // Only what is followed by another try is counted.
            self.learn(&node, reason.finding());
            node = upstream.pick(&mut tried).ok_or(Refusal::Page(502))?;
        }
    }

    fn learn(&self, node: &Node, finding: Finding) {
        if self.decision.upstream.learn_passively(node, finding) {
            self.client.changes.send_modify(|count| *count += 1);
        }
    }

    /// Where checks look at answers, the status of this one counts.
    fn learn_status(&self, node: &Node, answer: &Result<Response<Incoming>, NoAnswer>) {
        let checks = self.decision.upstream.checks.as_ref();
        if let Ok(response) = answer
            && checks.is_some_and(|checks| checks.passive_status)
        {
            self.learn(node, Finding::Status(response.status().as_u16().into()));
        }
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
        let answer = sender.send(request).await;
        self.learn_status(node, &answer);
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
