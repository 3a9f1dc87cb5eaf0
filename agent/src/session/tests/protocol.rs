//! What a session says to a hub that is there.

use hubline::model::{Completeness, Diagnostic, Group, GroupKind, ObjectRef, Severity};
use hubline::wire::{
    AgentMessage, BucketId, BucketSet, ContentHash, HubMessage, Nack, ResourceStatus, ResyncReason, Scope, Status,
};
use tokio::time::Duration;

use super::hub::{Agent, ScriptedHub, completeness, key};
use crate::output::Output;
use crate::publish::Detail;

fn unknown() -> Output {
    completeness(Completeness::Unknown {
        reason: "forbidden".to_owned(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_lacks_everything_gets_a_snapshot_and_then_deltas() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a", "b"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    assert_eq!(
        (peer.hello.cluster.as_str(), peer.hello.cluster_uid.as_str()),
        ("a", "uid")
    );
    assert_eq!(peer.hello.inventory, agent.reader().inventory(&Detail::Roots).0);
    assert!(peer.hello.capabilities.iter().any(|it| it == "offer"));
    peer.accept(Scope::Everything).await;
    let (revision, scope, names) = peer.snapshot().await;
    assert_eq!(
        (revision, scope, names),
        (2, Scope::Everything, vec!["a".to_owned(), "b".to_owned()])
    );
    peer.ack(2).await;
    agent.set("c", 1);
    let delta = peer.delta().await;
    assert_eq!((delta.base_revision, delta.revision, delta.upserts.len()), (2, 3, 1));
    peer.ack(3).await;
    agent.remove("a");
    assert_eq!(peer.delta().await.removals, [key("a")]);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_lacks_nothing_gets_only_what_changed_since_the_hello() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a", "b"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    agent.set("b", 2);
    peer.accept(Scope::NOTHING).await;
    let delta = peer.delta().await;
    assert_eq!((delta.base_revision, delta.revision, delta.upserts.len()), (2, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_lacks_a_bucket_gets_it_and_what_changed_meanwhile() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a", "b", "c"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    agent.set("b", 2);
    let (bits, group) = (10, Group::of(&key("a")));
    let bucket = |name| BucketId::of(&key(name)).coarse(bits);
    let buckets = vec![bucket("a")];
    peer.accept(Scope::Buckets(vec![BucketSet {
        group: group.clone(),
        bits,
        buckets,
    }]))
    .await;
    let (revision, scope, names) = peer.snapshot().await;
    let mut buckets = vec![bucket("a"), bucket("b")];
    buckets.sort_unstable();
    assert_eq!(scope, Scope::Buckets(vec![BucketSet { group, bits, buckets }]));
    assert_eq!((revision, names), (4, vec!["a".to_owned(), "b".to_owned()]));
    peer.ack(revision).await;
    agent.set("c", 2);
    assert_eq!(peer.delta().await.base_revision, 4);
}

#[tokio::test(start_paused = true)]
async fn changes_coalesce_until_the_hub_acknowledges() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    agent.set("a", 2);
    assert_eq!(peer.delta().await.revision, 2);
    for weight in 3..50 {
        agent.set("a", weight);
        tokio::task::yield_now().await;
    }
    peer.ack(2).await;
    let delta = peer.delta().await;
    assert_eq!((delta.base_revision, delta.revision, delta.upserts.len()), (2, 49, 1));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_closed_by_a_snapshot() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    agent.set("b", 1);
    peer.delta().await;
    peer.resync(ResyncReason::Gap, Scope::Everything).await;
    assert_eq!(peer.snapshot().await.0, 2);
    peer.ack(2).await;
    agent.set("c", 1);
    assert_eq!(peer.delta().await.base_revision, 2);
}

#[tokio::test(start_paused = true)]
async fn a_completeness_that_changes_is_offered_behind_the_deltas() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    agent.publisher.apply(unknown());
    let AgentMessage::Offer(offer) = peer.next().await else {
        panic!("no offer");
    };
    assert_eq!(offer, agent.reader().inventory(&Detail::All).0);
    assert!(matches!(offer.groups[0].completeness, Completeness::Unknown { .. }));
    // Until the hub has said what it lacks, nothing that depends on it is sent.
    agent.set("b", 1);
    peer.resync(ResyncReason::Hello, Scope::NOTHING).await;
    assert_eq!(peer.delta().await.base_revision, offer.revision);
}

#[tokio::test(start_paused = true)]
async fn an_older_hub_hears_of_completeness_in_a_new_hello() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.welcome(&[]).await;
    peer.resync(ResyncReason::Hello, Scope::Everything).await;
    assert_eq!(peer.snapshot().await.0, 1);
    peer.ack(1).await;
    agent.set("a", 2);
    assert_eq!(peer.delta().await.base_revision, 1);
    peer.ack(2).await;
    agent.publisher.apply(unknown());
    let again = hub.peer().await;
    assert!(matches!(
        again.hello.inventory.groups[0].completeness,
        Completeness::Unknown { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn diagnostics_follow_the_hello_and_every_change() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    assert_eq!(peer.any().await, Some(AgentMessage::Diagnostics(vec![], 0)));
    let fault = Diagnostic {
        object: ObjectRef {
            source: GroupKind::new("", "Service"),
            namespace: "shop".to_owned(),
            name: "a".to_owned(),
        },
        field: String::new(),
        severity: Severity::Error,
        reason: "Invalid".to_owned(),
        message: "m".to_owned(),
    };
    agent.publisher.apply(Output {
        diagnostics: Some(vec![fault.clone()]),
        ..Output::default()
    });
    assert_eq!(peer.any().await, Some(AgentMessage::Diagnostics(vec![fault], 0)));
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_both_ways() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    peer.any().await;
    peer.send(HubMessage::Heartbeat(41, false)).await;
    assert_eq!(peer.any().await, Some(AgentMessage::Heartbeat(41, true)));
    assert_eq!(peer.any().await, Some(AgentMessage::Heartbeat(1, false)));
    assert_eq!(peer.any().await, Some(AgentMessage::Heartbeat(2, false)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_resource_is_shown_and_not_sent_again() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    let revision = agent.set("a", 2);
    let content_hash = peer.delta().await.upserts[0].hash();
    let mut statuses = agent.status.watch();
    peer.send(HubMessage::Nack(Nack {
        key: key("a"),
        content_hash,
        reason: "invalid-field".to_owned(),
        message: "m".to_owned(),
    }))
    .await;
    peer.ack(revision).await;
    let refused = statuses
        .wait_for(|it| it.get(&key("a")).is_some_and(|it| it.condition == "Refused"))
        .await;
    assert!(refused.is_ok());
    agent.set("b", 1);
    let next = peer.delta().await;
    assert_eq!((next.base_revision, next.upserts.len()), (revision, 1));
}

#[tokio::test(start_paused = true)]
async fn what_a_hub_says_of_resources_reaches_the_board() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    // A message of a newer hub is ignored.
    peer.send(HubMessage::Unknown).await;
    let programmed = ResourceStatus {
        key: key("a"),
        content_hash: ContentHash(1),
        condition: "Programmed".to_owned(),
        reason: "Applied".to_owned(),
        message: String::new(),
        gone: false,
    };
    peer.send(HubMessage::Status(Status {
        replay_begin: true,
        replay_end: true,
        statuses: vec![programmed.clone()],
    }))
    .await;
    let mut statuses = agent.status.watch();
    let seen = statuses.wait_for(|it| it.get(&key("a")) == Some(&programmed)).await;
    assert!(seen.is_ok());
}

#[tokio::test(start_paused = true)]
async fn addresses_of_the_target_reach_the_board_and_stay_over_a_reconnect() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    let mut addresses = agent.status.addresses();
    agent.connect(&hub);
    let peer = hub.peer().await;
    assert!(peer.hello.capabilities.iter().any(|it| it == hubline::wire::ADDRESSES));
    peer.accept(Scope::NOTHING).await;
    let told = |list: &[&str]| HubMessage::Addresses(list.iter().map(|it| (*it).to_owned()).collect());
    peer.send(told(&["192.0.2.1", "lb.example.com"])).await;
    let heard = addresses.wait_for(|it| it.is_some()).await.unwrap().clone();
    assert_eq!(*heard.unwrap(), ["192.0.2.1".to_owned(), "lb.example.com".to_owned()]);
    drop(peer);
    let peer = hub.peer().await;
    assert!(agent.status.addresses().borrow().is_some(), "a cut takes nothing back");
    peer.send(told(&[])).await;
    addresses
        .wait_for(|it| it.as_ref().is_some_and(|it| it.is_empty()))
        .await
        .unwrap();
    // Another replica speaks from now on.
    agent.status.forget();
    assert!(agent.status.addresses().borrow().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_neither_reads_nor_acknowledges_stalls_only_itself() {
    let (mut quick, mut stuck) = (ScriptedHub::start(), ScriptedHub::start());
    let mut agent = Agent::publishing(&["a"]);
    agent.connect(&quick);
    agent.connect(&stuck);
    let (mut peer, idle) = (quick.peer().await, stuck.peer().await);
    idle.accept(Scope::Everything).await;
    peer.accept(Scope::NOTHING).await;
    for weight in 2..200 {
        let revision = agent.set("a", weight);
        assert_eq!(peer.delta().await.revision, revision);
        peer.ack(revision).await;
    }
    // The other has a cursor of its own, and gives up on the one that is stuck.
    drop(idle);
    let late = stuck.peer().await;
    assert_eq!(late.hello.inventory.revision, 199);
    late.accept(Scope::NOTHING).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(quick.is_left_alone());
}
