//! The stream between agent and hub: the only place that knows protobuf.
//!
//! Messages here are plain values; [`codec`] converts them from and to what travels.
//! A resource travels as bytes that both sides hash ([`EncodedResource`]),
//! so that fields or kinds which one side does not know never make the digests differ.

/// Capability flag: within a session an agent may send its inventory anew, and a hub answers it.
pub const OFFER: &str = "offer";

/// Capability flag: an agent has [`HubMessage::Resume`] and [`HubMessage::Compare`]; a hub has
/// [`AgentMessage::Checkpoint`].
pub const RESUME: &str = "resume";

/// Capability flag: an agent has [`HubMessage::Addresses`].
pub const ADDRESSES: &str = "addresses";

pub mod codec;
pub mod digest;
pub mod limits;
mod message;
mod names;
#[expect(missing_docs, reason = "generated from proto/, documented there")]
#[allow(clippy::all, clippy::pedantic, reason = "generated")]
pub mod proto;
mod resource;
#[cfg(test)]
mod tests;
pub mod text;

pub use digest::{BucketId, ContentHash, Digest, DigestTable};
pub use message::{
    Ack, AgentMessage, BucketSet, Checkpoint, Compare, Delta, Epoch, GroupInventory, Held, Hello, HubMessage,
    Inventory, Nack, ResourceStatus, Resync, ResyncReason, Scope, SnapshotBegin, SnapshotEnd, Status, TouchedBucket,
    Welcome,
};
pub use names::Names;
pub use resource::{DecodedResource, EncodedResource, WireError};
