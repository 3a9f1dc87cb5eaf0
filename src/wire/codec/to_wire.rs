//! Messages → protobuf.

use bytes::Bytes;

use super::super::message::{
    Ack, AgentMessage, BucketSet, Compare, Delta, Epoch, GroupInventory, Hello, HubMessage, Inventory, ResourceStatus,
    Resync, ResyncReason, Scope, SnapshotBegin, Status, TouchedBucket, Welcome,
};
use super::super::text::shortened;
use super::super::{ContentHash, Digest, EncodedResource, proto as p};
use super::encode;
use crate::model::{Completeness, Diagnostic, Severity};

/// What an agent sends, as protobuf. [`AgentMessage::Unknown`] becomes an empty message.
#[must_use]
pub fn to_agent_wire(message: AgentMessage) -> p::AgentMessage {
    use p::agent_message::Message;
    let message = match message {
        AgentMessage::Hello(it) => Some(Message::Hello(hello(it))),
        AgentMessage::Offer(it) => Some(Message::Offer(inventory(it))),
        AgentMessage::SnapshotBegin(it) => Some(Message::SnapshotBegin(snapshot_begin(it))),
        AgentMessage::SnapshotPart(it) => Some(Message::SnapshotPart(p::SnapshotPart {
            resources: resources(&it),
        })),
        AgentMessage::SnapshotEnd(it) => Some(Message::SnapshotEnd(p::SnapshotEnd {
            revision: it.revision,
            count: it.count,
            digest: digest(it.digest),
        })),
        AgentMessage::Delta(it) => Some(Message::Delta(delta(&it))),
        AgentMessage::Diagnostics(list, omitted) => {
            let diagnostics = list.into_iter().map(diagnostic).collect();
            Some(Message::Diagnostics(p::Diagnostics { diagnostics, omitted }))
        }
        AgentMessage::Heartbeat(sequence, answer) => Some(Message::Heartbeat(p::Heartbeat { sequence, answer })),
        AgentMessage::Checkpoint(it) => Some(Message::Checkpoint(p::Checkpoint {
            revision: it.revision,
            digest: digest(it.digest),
        })),
        AgentMessage::Unknown => None,
    };
    p::AgentMessage { message }
}

/// What a hub sends, as protobuf. [`HubMessage::Unknown`] becomes an empty message.
#[must_use]
pub fn to_hub_wire(message: HubMessage) -> p::HubMessage {
    use p::hub_message::Message;
    let message = match message {
        HubMessage::Welcome(it) => Some(Message::Welcome(welcome(it))),
        HubMessage::Resync(it) => Some(Message::Resync(resync(it))),
        HubMessage::Resume(revision) => Some(Message::Resume(p::Resume { revision })),
        HubMessage::Compare(it) => Some(Message::Compare(compare(&it))),
        HubMessage::Ack(it) => Some(Message::Ack(ack(it))),
        HubMessage::Nack(it) => Some(Message::Nack(p::Nack {
            key: Some(encode::key(&it.key)),
            content_hash: hash(it.content_hash),
            reason: shortened(it.reason),
            message: shortened(it.message),
        })),
        HubMessage::Status(it) => Some(Message::Status(status(it))),
        HubMessage::Addresses(addresses) => Some(Message::Addresses(p::Addresses { addresses })),
        HubMessage::Heartbeat(sequence, answer) => Some(Message::Heartbeat(p::Heartbeat { sequence, answer })),
        HubMessage::Superseded(instance) => Some(Message::Superseded(p::Superseded { instance })),
        HubMessage::Unknown => None,
    };
    p::HubMessage { message }
}

fn digest(digest: Digest) -> Bytes {
    Bytes::copy_from_slice(&digest.0.to_le_bytes())
}

fn hash(hash: ContentHash) -> Bytes {
    Bytes::copy_from_slice(&hash.0.to_le_bytes())
}

fn resources(resources: &[EncodedResource]) -> Vec<Bytes> {
    resources.iter().map(|it| it.bytes().clone()).collect()
}

fn hello(hello: Hello) -> p::Hello {
    p::Hello {
        cluster: hello.cluster,
        cluster_uid: hello.cluster_uid,
        instance: hello.instance,
        capabilities: hello.capabilities,
        inventory: Some(inventory(hello.inventory)),
        statuses: hello.statuses.map(digest),
    }
}

fn epoch(epoch: Epoch) -> p::Epoch {
    p::Epoch {
        counter: epoch.counter,
        random: epoch.random,
    }
}

fn inventory(inventory: Inventory) -> p::Inventory {
    p::Inventory {
        epoch: Some(epoch(inventory.epoch)),
        revision: inventory.revision,
        groups: inventory.groups.into_iter().map(group_inventory).collect(),
    }
}

fn group_inventory(it: GroupInventory) -> p::GroupInventory {
    let unknown_reason = match it.completeness {
        Completeness::Complete => String::new(),
        Completeness::Unknown { reason } if reason.is_empty() => "unknown".to_owned(),
        Completeness::Unknown { reason } => shortened(reason),
    };
    let digests: Vec<u8> = it.digests.iter().flat_map(|digest| digest.0.to_le_bytes()).collect();
    p::GroupInventory {
        group: Some(encode::group(&it.group)),
        unknown_reason,
        count: it.count,
        bucket_bits: it.digests.len().trailing_zeros(),
        bucket_digests: digests.into(),
    }
}

fn scope(scope: Scope) -> (bool, Vec<p::BucketSet>) {
    match scope {
        Scope::Everything => (true, Vec::new()),
        Scope::Buckets(sets) => (false, sets.into_iter().map(bucket_set).collect()),
    }
}

fn bucket_set(set: BucketSet) -> p::BucketSet {
    p::BucketSet {
        group: Some(encode::group(&set.group)),
        bucket_bits: set.bits,
        buckets: set.buckets,
    }
}

fn snapshot_begin(begin: SnapshotBegin) -> p::SnapshotBegin {
    let (everything, scope) = scope(begin.scope);
    p::SnapshotBegin {
        epoch: Some(epoch(begin.epoch)),
        revision: begin.revision,
        everything,
        scope,
        groups: begin.groups.into_iter().map(group_inventory).collect(),
    }
}

fn delta(delta: &Delta) -> p::Delta {
    let touched = |it: &TouchedBucket| p::TouchedBucket {
        group: Some(encode::group(&it.group)),
        bucket: it.bucket.number(),
        digest: digest(it.digest),
    };
    p::Delta {
        base_revision: delta.base_revision,
        revision: delta.revision,
        upserts: resources(&delta.upserts),
        removals: delta.removals.iter().map(encode::key).collect(),
        touched: delta.touched.iter().map(touched).collect(),
    }
}

fn diagnostic(it: Diagnostic) -> p::Diagnostic {
    let severity = match it.severity {
        Severity::Error => p::Severity::Error,
        Severity::Warning => p::Severity::Warning,
    };
    p::Diagnostic {
        group: it.object.source.group.to_string(),
        source: it.object.source.kind.to_string(),
        namespace: shortened(it.object.namespace),
        name: shortened(it.object.name),
        field: shortened(it.field),
        severity: severity.into(),
        reason: shortened(it.reason),
        message: shortened(it.message),
    }
}

fn welcome(it: Welcome) -> p::Welcome {
    p::Welcome {
        hub: it.hub,
        capabilities: it.capabilities,
        heartbeat_interval_ms: it.heartbeat_interval_ms,
    }
}

fn resync(resync: Resync) -> p::Resync {
    let (everything, scope) = scope(resync.scope);
    p::Resync {
        reason: reason(resync.reason).into(),
        everything,
        scope,
    }
}

fn reason(reason: ResyncReason) -> p::resync::Reason {
    use p::resync::Reason;
    match reason {
        ResyncReason::Hello => Reason::Hello,
        ResyncReason::Gap => Reason::Gap,
        ResyncReason::DigestMismatch => Reason::DigestMismatch,
        ResyncReason::BrokenSnapshot => Reason::BrokenSnapshot,
        ResyncReason::Operator => Reason::Operator,
    }
}

fn compare(compare: &Compare) -> p::Compare {
    p::Compare {
        reason: reason(compare.reason).into(),
        groups: compare.groups.iter().map(encode::group).collect(),
    }
}

fn ack(ack: Ack) -> p::Ack {
    let held = ack.held.into_iter().map(|it| p::Held {
        key: Some(encode::key(&it.key)),
        reason: shortened(it.reason),
        message: shortened(it.message),
    });
    p::Ack {
        revision: ack.revision,
        taken: ack.taken,
        held: held.collect(),
    }
}

fn status(status: Status) -> p::Status {
    p::Status {
        replay_begin: status.replay_begin,
        replay_end: status.replay_end,
        statuses: status.statuses.into_iter().map(resource_status).collect(),
    }
}

pub(crate) fn resource_status(it: ResourceStatus) -> p::ResourceStatus {
    p::ResourceStatus {
        key: Some(encode::key(&it.key)),
        content_hash: hash(it.content_hash),
        condition: shortened(it.condition),
        reason: shortened(it.reason),
        message: shortened(it.message),
        gone: it.gone,
    }
}
