//! Protobuf → messages, with every bound checked.

use bytes::Bytes;

use super::super::limits::{MAX_ADDRESSES, MAX_BUCKET_BITS, MAX_DIAGNOSTICS, MAX_GROUPS, MAX_RESOURCE_BYTES};
use super::super::message::{
    Ack, AgentMessage, BucketSet, Checkpoint, Compare, Delta, Epoch, GroupInventory, Held, Hello, HubMessage,
    Inventory, Nack, ResourceStatus, Resync, ResyncReason, Scope, SnapshotBegin, SnapshotEnd, Status, TouchedBucket,
    Welcome,
};
use super::super::resource::too_large;
use super::super::{BucketId, ContentHash, Digest, EncodedResource, Names, WireError, proto as p};
use super::decode;
use crate::model::{Completeness, Diagnostic, GroupKind, Key, ObjectRef, Severity};

type Result<T> = std::result::Result<T, WireError>;

/// What an agent sent. A message that this program does not know is [`AgentMessage::Unknown`].
///
/// # Errors
/// When a field is missing, malformed or beyond its bound; the message as a whole is then refused.
pub fn agent_message(message: p::AgentMessage) -> Result<AgentMessage> {
    use p::agent_message::Message;
    Ok(match message.message {
        None => AgentMessage::Unknown,
        Some(Message::Hello(it)) => AgentMessage::Hello(hello(it)?),
        Some(Message::Offer(it)) => AgentMessage::Offer(inventory(it)?),
        Some(Message::SnapshotBegin(it)) => AgentMessage::SnapshotBegin(snapshot_begin(it)?),
        Some(Message::SnapshotPart(it)) => AgentMessage::SnapshotPart(resources(&it.resources)?),
        Some(Message::SnapshotEnd(it)) => AgentMessage::SnapshotEnd(SnapshotEnd {
            revision: it.revision,
            count: it.count,
            digest: digest("snapshot_end.digest", &it.digest)?,
        }),
        Some(Message::Delta(it)) => AgentMessage::Delta(delta(it)?),
        Some(Message::Diagnostics(it)) => diagnostics(it)?,
        Some(Message::Heartbeat(it)) => AgentMessage::Heartbeat(it.sequence, it.answer),
        Some(Message::Checkpoint(it)) => AgentMessage::Checkpoint(Checkpoint {
            revision: it.revision,
            digest: digest("checkpoint.digest", &it.digest)?,
        }),
    })
}

/// What a hub sent. A message that this program does not know is [`HubMessage::Unknown`].
///
/// # Errors
/// When a field is missing, malformed or beyond its bound; the message as a whole is then refused.
pub fn hub_message(message: p::HubMessage) -> Result<HubMessage> {
    use p::hub_message::Message;
    Ok(match message.message {
        None => HubMessage::Unknown,
        Some(Message::Welcome(it)) => HubMessage::Welcome(Welcome {
            hub: it.hub,
            capabilities: it.capabilities,
            heartbeat_interval_ms: it.heartbeat_interval_ms,
        }),
        Some(Message::Resync(it)) => HubMessage::Resync(resync(it)?),
        Some(Message::Resume(it)) => HubMessage::Resume(it.revision),
        Some(Message::Compare(it)) => HubMessage::Compare(compare(it)?),
        Some(Message::Ack(it)) => HubMessage::Ack(ack(it)?),
        Some(Message::Nack(it)) => HubMessage::Nack(Nack {
            key: key("nack.key", it.key)?,
            content_hash: hash("nack.content_hash", &it.content_hash)?,
            reason: it.reason,
            message: it.message,
        }),
        Some(Message::Status(it)) => HubMessage::Status(status(it)?),
        Some(Message::Addresses(it)) => HubMessage::Addresses(addresses(it.addresses)?),
        Some(Message::Heartbeat(it)) => HubMessage::Heartbeat(it.sequence, it.answer),
        Some(Message::Superseded(it)) => HubMessage::Superseded(it.instance),
    })
}

fn addresses(addresses: Vec<String>) -> Result<Vec<String>> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(too_large("addresses", addresses.len(), MAX_ADDRESSES));
    }
    let read = |it| decode::address("addresses.addresses", it);
    addresses.into_iter().map(read).collect()
}

fn key(field: &str, key: Option<p::Key>) -> Result<Key> {
    decode::key(key.ok_or_else(|| WireError::missing(field))?, &mut Names::default())
}

fn number(field: &str, bytes: &[u8]) -> Result<u128> {
    let bytes: [u8; 16] = bytes
        .try_into()
        .map_err(|_| WireError::field(field, format!("has {} bytes, 16 are needed", bytes.len())))?;
    Ok(u128::from_le_bytes(bytes))
}

fn digest(field: &str, bytes: &[u8]) -> Result<Digest> {
    number(field, bytes).map(Digest)
}

fn hash(field: &str, bytes: &[u8]) -> Result<ContentHash> {
    number(field, bytes).map(ContentHash)
}

fn resources(resources: &[Bytes]) -> Result<Vec<EncodedResource>> {
    if let Some(large) = resources.iter().find(|bytes| bytes.len() > MAX_RESOURCE_BYTES) {
        return Err(too_large("a resource's bytes", large.len(), MAX_RESOURCE_BYTES));
    }
    // A copy of each: a slice would keep the whole message alive for as long as one of its resources.
    Ok(resources
        .iter()
        .map(|bytes| EncodedResource::from_bytes(Bytes::copy_from_slice(bytes)))
        .collect())
}

fn hello(hello: p::Hello) -> Result<Hello> {
    Ok(Hello {
        cluster: hello.cluster,
        cluster_uid: hello.cluster_uid,
        instance: hello.instance,
        capabilities: hello.capabilities,
        inventory: inventory(hello.inventory.ok_or_else(|| WireError::missing("hello.inventory"))?)?,
        statuses: hello.statuses.map(|it| digest("hello.statuses", &it)).transpose()?,
    })
}

fn epoch(epoch: Option<p::Epoch>) -> Result<Epoch> {
    let epoch = epoch.ok_or_else(|| WireError::missing("epoch"))?;
    Ok(Epoch {
        counter: epoch.counter,
        random: epoch.random,
    })
}

fn inventory(inventory: p::Inventory) -> Result<Inventory> {
    Ok(Inventory {
        epoch: epoch(inventory.epoch)?,
        revision: inventory.revision,
        groups: group_inventories(inventory.groups)?,
    })
}

fn group_inventories(groups: Vec<p::GroupInventory>) -> Result<Vec<GroupInventory>> {
    if groups.len() > MAX_GROUPS {
        return Err(too_large("inventory.groups", groups.len(), MAX_GROUPS));
    }
    groups.into_iter().map(group_inventory).collect()
}

fn group_inventory(it: p::GroupInventory) -> Result<GroupInventory> {
    let bits = bits(it.bucket_bits)?;
    let wanted = 16 << bits;
    if it.bucket_digests.len() != wanted {
        let problem = format!(
            "has {} bytes, {wanted} are needed for {bits} bucket_bits",
            it.bucket_digests.len()
        );
        return Err(WireError::field("inventory.groups.bucket_digests", problem));
    }
    let digests = it
        .bucket_digests
        .chunks_exact(16)
        .map(|bytes| digest("bucket_digests", bytes));
    Ok(GroupInventory {
        group: decode::group(it.group)?,
        completeness: if it.unknown_reason.is_empty() {
            Completeness::Complete
        } else {
            Completeness::Unknown {
                reason: it.unknown_reason,
            }
        },
        count: it.count,
        digests: digests.collect::<Result<_>>()?,
    })
}

fn bits(bits: u32) -> Result<u32> {
    if bits <= MAX_BUCKET_BITS {
        return Ok(bits);
    }
    Err(WireError::field(
        "bucket_bits",
        format!("is {bits}, at most {MAX_BUCKET_BITS} are allowed"),
    ))
}

fn scope(everything: bool, sets: Vec<p::BucketSet>) -> Result<Scope> {
    if everything {
        return Ok(Scope::Everything);
    }
    if sets.len() > MAX_GROUPS {
        return Err(too_large("scope", sets.len(), MAX_GROUPS));
    }
    Ok(Scope::Buckets(sets.into_iter().map(bucket_set).collect::<Result<_>>()?))
}

fn bucket_set(set: p::BucketSet) -> Result<BucketSet> {
    let bits = bits(set.bucket_bits)?;
    if set.buckets.len() > 1 << bits || set.buckets.iter().any(|bucket| *bucket >= 1 << bits) {
        return Err(WireError::field(
            "scope.buckets",
            format!("names buckets beyond 2^{bits}"),
        ));
    }
    Ok(BucketSet {
        group: decode::group(set.group)?,
        bits,
        buckets: set.buckets,
    })
}

fn snapshot_begin(begin: p::SnapshotBegin) -> Result<SnapshotBegin> {
    Ok(SnapshotBegin {
        epoch: epoch(begin.epoch)?,
        revision: begin.revision,
        scope: scope(begin.everything, begin.scope)?,
        groups: group_inventories(begin.groups)?,
    })
}

fn delta(delta: p::Delta) -> Result<Delta> {
    let touched = |it: p::TouchedBucket| {
        let bucket = BucketId::from_number(it.bucket)
            .ok_or_else(|| WireError::field("delta.touched.bucket", format!("is {}, beyond the finest", it.bucket)))?;
        let digest = digest("delta.touched.digest", &it.digest)?;
        Ok(TouchedBucket {
            group: decode::group(it.group)?,
            bucket,
            digest,
        })
    };
    let mut names = Names::default();
    let removals = delta.removals.into_iter().map(|it| decode::key(it, &mut names));
    Ok(Delta {
        base_revision: delta.base_revision,
        revision: delta.revision,
        upserts: resources(&delta.upserts)?,
        removals: removals.collect::<Result<_>>()?,
        touched: delta.touched.into_iter().map(touched).collect::<Result<_>>()?,
    })
}

fn diagnostics(message: p::Diagnostics) -> Result<AgentMessage> {
    let count = message.diagnostics.len();
    if count > MAX_DIAGNOSTICS {
        return Err(too_large("diagnostics", count, MAX_DIAGNOSTICS));
    }
    Ok(AgentMessage::Diagnostics(
        message.diagnostics.into_iter().map(diagnostic).collect(),
        message.omitted,
    ))
}

fn diagnostic(it: p::Diagnostic) -> Diagnostic {
    let severity = match it.severity() {
        p::Severity::Warning => Severity::Warning,
        p::Severity::Error | p::Severity::Unspecified => Severity::Error,
    };
    Diagnostic {
        object: ObjectRef {
            source: GroupKind::new(&it.group, &it.source),
            namespace: it.namespace,
            name: it.name,
        },
        field: it.field,
        severity,
        reason: it.reason,
        message: it.message,
    }
}

fn resync(resync: p::Resync) -> Result<Resync> {
    Ok(Resync {
        reason: reason(resync.reason()),
        scope: scope(resync.everything, resync.scope)?,
    })
}

fn reason(reason: p::resync::Reason) -> ResyncReason {
    use p::resync::Reason;
    match reason {
        Reason::Unspecified | Reason::Hello => ResyncReason::Hello,
        Reason::Gap => ResyncReason::Gap,
        Reason::DigestMismatch => ResyncReason::DigestMismatch,
        Reason::BrokenSnapshot => ResyncReason::BrokenSnapshot,
        Reason::Operator => ResyncReason::Operator,
    }
}

fn compare(compare: p::Compare) -> Result<Compare> {
    if compare.groups.len() > MAX_GROUPS {
        return Err(too_large("compare.groups", compare.groups.len(), MAX_GROUPS));
    }
    let reason = reason(compare.reason());
    let groups = compare.groups.into_iter().map(|group| decode::group(Some(group)));
    Ok(Compare {
        reason,
        groups: groups.collect::<Result<_>>()?,
    })
}

fn ack(ack: p::Ack) -> Result<Ack> {
    let held = |it: p::Held| {
        Ok(Held {
            key: key("ack.held.key", it.key)?,
            reason: it.reason,
            message: it.message,
        })
    };
    Ok(Ack {
        revision: ack.revision,
        taken: ack.taken,
        held: ack.held.into_iter().map(held).collect::<Result<_>>()?,
    })
}

fn status(status: p::Status) -> Result<Status> {
    let one = |it: p::ResourceStatus| {
        Ok(ResourceStatus {
            key: key("status.key", it.key)?,
            content_hash: hash("status.content_hash", &it.content_hash)?,
            condition: it.condition,
            reason: it.reason,
            message: it.message,
            gone: it.gone,
        })
    };
    Ok(Status {
        replay_begin: status.replay_begin,
        replay_end: status.replay_end,
        statuses: status.statuses.into_iter().map(one).collect::<Result<_>>()?,
    })
}
