//! A scripted agent: real TLS, the real protocol, and messages that a test makes one by one, broken ones included.
//!
//! Does nothing by itself: no heartbeats, no reconnects, no answers. What the hub says is kept in order.

mod belongings;
mod resources;

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hubline::tls::{Files, client_tls};
use hubline::wire::{AgentMessage, HubMessage, Resync, codec, proto};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Endpoint;
use tonic::{Request, Status, Streaming};

use crate::system::PATIENCE;

pub use belongings::{Belongings, group};
pub use resources::{App, cluster_info, plugin, resource, with_unknown_fields};

/// Messages on their way: a script says some ten before it listens.
const OUTGOING: usize = 64;

/// See the module. Dropping it ends its stream.
#[derive(Debug)]
pub struct Scripted {
    to_hub: mpsc::Sender<Bytes>,
    from_hub: Streaming<proto::HubMessage>,
    heard: Vec<HubMessage>,
}

impl Scripted {
    /// Opens a stream with these certificates; nothing is said yet.
    ///
    /// # Errors
    /// When TLS or the hub refuses.
    pub async fn connect(address: SocketAddr, identity: &Files) -> Result<Self> {
        let tls = client_tls(identity, None)?;
        let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port()))?;
        let channel = endpoint.tls_config(tls)?.connect().await?;
        let mut client = Grpc::new(channel)
            .accept_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Zstd);
        client.ready().await?;
        let (to_hub, messages) = mpsc::channel(OUTGOING);
        let path = PathAndQuery::from_static("/hubline.v1.Hubline/Stream");
        let request = Request::new(ReceiverStream::new(messages));
        let opened = client.streaming(request, path, Bytewise).await?;
        Ok(Self {
            to_hub,
            from_hub: opened.into_inner(),
            heard: Vec::new(),
        })
    }

    /// Says a message.
    ///
    /// # Errors
    /// When the stream is closed.
    pub async fn say(&self, message: AgentMessage) -> Result<()> {
        self.say_bytes(codec::to_agent_wire(message).encode_to_vec()).await
    }

    /// Says bytes in the place of a message.
    ///
    /// # Errors
    /// When the stream is closed.
    pub async fn say_bytes(&self, bytes: Vec<u8>) -> Result<()> {
        self.to_hub.send(bytes.into()).await.context("the stream is closed")
    }

    /// The next message that passes, among those that were not heard yet; the ones before it are kept.
    ///
    /// # Errors
    /// When the hub ends the stream, or says no such thing in [`PATIENCE`].
    pub async fn until(&mut self, what: &str, passes: impl Fn(&HubMessage) -> bool) -> Result<HubMessage> {
        loop {
            let next = timeout(PATIENCE, self.from_hub.message()).await;
            let next = next.with_context(|| format!("no {what}; heard {:?}", self.heard))?;
            let next = next.with_context(|| format!("the hub ended the stream before {what}"))?;
            let Some(next) = next else {
                bail!("the stream ended before {what}")
            };
            let message = codec::hub_message(next)?;
            self.heard.push(message.clone());
            if passes(&message) {
                return Ok(message);
            }
        }
    }

    /// Reads until the hub ends the stream.
    ///
    /// # Errors
    /// When it does not in [`PATIENCE`], or ends it without saying why.
    pub async fn end(&mut self) -> Result<Status> {
        loop {
            match timeout(PATIENCE, self.from_hub.message()).await {
                Ok(Ok(Some(message))) => self.heard.push(codec::hub_message(message)?),
                Ok(Ok(None)) => bail!("the stream ended without a word"),
                Ok(Err(status)) => return Ok(status),
                Err(_) => bail!("the hub does not end the stream; heard {:?}", self.heard),
            }
        }
    }

    /// Everything that was heard, in order.
    #[must_use]
    pub fn heard(&self) -> &[HubMessage] {
        &self.heard
    }

    /// Every request for resources that was heard, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<&Resync> {
        let heard = self.heard.iter();
        heard
            .filter_map(|message| match message {
                HubMessage::Resync(resync) => Some(resync),
                _ => None,
            })
            .collect()
    }
}

/// Sends bytes as they are.
#[derive(Debug, Clone, Copy)]
struct Bytewise;

impl Codec for Bytewise {
    type Encode = Bytes;
    type Decode = proto::HubMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Bytewise {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Bytewise {
    type Item = proto::HubMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<proto::HubMessage>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let decoded = proto::HubMessage::decode(bytes);
        decoded.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
