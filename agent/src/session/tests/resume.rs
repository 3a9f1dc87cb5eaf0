//! Going on from a revision, comparing closely, checkpoints.

use hubline::model::Group;
use hubline::wire::{AgentMessage, Compare, Digest, HubMessage, Resync, ResyncReason, Scope};

use super::hub::{Agent, ScriptedHub, completeness, key, upserts};
use crate::publish::Detail;

const NOTHING: HubMessage = HubMessage::Resync(Resync {
    reason: ResyncReason::Hello,
    scope: Scope::NOTHING,
});

fn compare(reason: ResyncReason, groups: Vec<Group>) -> HubMessage {
    HubMessage::Compare(Compare { reason, groups })
}

/// As many resources as are divided into buckets.
fn many() -> Agent {
    let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    Agent::publishing(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_resumes_gets_the_deltas_and_then_a_checkpoint() {
    let (mut hub, mut agent) = (ScriptedHub::start(), many());
    agent.set("n7", 2);
    agent.remove("n8");
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    assert!(
        peer.hello.inventory.groups.iter().all(|it| it.digests.len() == 1),
        "one digest a group"
    );
    peer.accept_resuming(HubMessage::Resume(100)).await;
    let delta = peer.delta().await;
    assert_eq!((delta.base_revision, delta.revision), (100, 102));
    assert_eq!((delta.upserts.len(), delta.removals.len()), (1, 1));
    peer.ack(102).await;
    // At once, and not with the next heartbeat: until then the hub does not call the cluster live.
    let expected = agent.reader().checkpoint().0;
    assert_eq!(
        (peer.any().await, expected.revision),
        (Some(AgentMessage::Checkpoint(expected)), 102)
    );
    agent.set("n9", 2);
    assert_eq!(peer.delta().await.base_revision, 102);
}

#[tokio::test(start_paused = true)]
async fn a_revision_of_which_too_much_is_forgotten_is_offered_instead() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    for number in 0..2_000 {
        agent.set(&format!("n{number}"), 1);
    }
    for number in 0..2_000 {
        agent.remove(&format!("n{number}"));
    }
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept_resuming(HubMessage::Resume(1)).await;
    assert!(matches!(peer.next().await, AgentMessage::Offer(_)));
}

#[tokio::test(start_paused = true)]
async fn a_comparison_is_answered_with_all_buckets_of_what_was_asked() {
    let (mut hub, agent) = (ScriptedHub::start(), many());
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    let group = Group::of(&key(""));
    peer.accept_resuming(compare(ResyncReason::Hello, vec![group.clone()]))
        .await;
    let AgentMessage::Offer(offer) = peer.next().await else {
        panic!("no offer");
    };
    assert_eq!(offer, agent.reader().inventory(&Detail::All).0);
    assert_eq!(offer.groups[0].digests.len(), 4);
    peer.resync(
        ResyncReason::Hello,
        Scope::Buckets(vec![hubline::wire::BucketSet {
            group,
            bits: 2,
            buckets: vec![1],
        }]),
    )
    .await;
    let (revision, _, names) = peer.snapshot().await;
    assert_eq!(revision, 100);
    assert!((1..50).contains(&names.len()), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_comparison_while_deltas_flow_comes_behind_them() {
    let (mut hub, mut agent) = (ScriptedHub::start(), many());
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept_resuming(NOTHING).await;
    agent.set("n7", 2);
    assert_eq!(peer.delta().await.revision, 101);
    agent.set("n7", 3);
    peer.send(compare(ResyncReason::DigestMismatch, Vec::new())).await;
    peer.ack(101).await;
    assert_eq!(peer.delta().await.revision, 102);
    let AgentMessage::Offer(offer) = peer.next().await else {
        panic!("no offer");
    };
    assert_eq!((offer.revision, offer.groups[0].digests.len()), (102, 4));
    agent.set("n7", 4);
    peer.send(NOTHING).await;
    assert_eq!(peer.delta().await.base_revision, 102);
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_follows_each_heartbeat_when_nothing_is_under_way() {
    let (mut hub, mut agent) = (ScriptedHub::start(), many());
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept_resuming(NOTHING).await;
    for _ in 0..3 {
        let AgentMessage::Checkpoint(checkpoint) = peer.next().await else {
            panic!("no checkpoint");
        };
        assert_eq!(checkpoint, agent.reader().checkpoint().0);
        assert_ne!(checkpoint.digest, Digest::default());
        peer.send(HubMessage::Heartbeat(1, true)).await;
    }
    // Unacknowledged: the hub may not have it yet.
    agent.set("n7", 2);
    assert_eq!(peer.delta().await.revision, 101);
    let mut beats = 0;
    while beats < 2 {
        match peer.any().await.unwrap() {
            AgentMessage::Heartbeat(..) => beats += 1,
            other => panic!("{other:?}"),
        }
    }
    peer.ack(101).await;
    assert!(matches!(peer.next().await, AgentMessage::Checkpoint(it) if it.revision == 101));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_leaves_out_what_is_unknown_and_an_older_hub_gets_none() {
    let (mut hub, mut agent) = (ScriptedHub::start(), many());
    let reason = "forbidden".to_owned();
    agent.apply(completeness(hubline::model::Completeness::Unknown { reason }));
    assert_eq!(agent.reader().checkpoint().0.digest, Digest::default());
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    let mut beats = 0;
    while beats < 3 {
        match peer.any().await.unwrap() {
            AgentMessage::Heartbeat(..) => beats += 1,
            AgentMessage::Diagnostics(..) => {}
            other => panic!("{other:?} for a hub that knows no checkpoints"),
        }
        peer.send(HubMessage::Heartbeat(1, true)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn endless_comparisons_end_the_session() {
    let (mut hub, mut agent) = (ScriptedHub::start(), many());
    agent.apply(upserts(&["x"], 1));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept_resuming(compare(ResyncReason::Hello, Vec::new())).await;
    let mut offers = 0;
    while let Some(message) = peer.any().await {
        if matches!(message, AgentMessage::Offer(_)) {
            offers += 1;
            peer.send(compare(ResyncReason::Hello, Vec::new())).await;
        }
    }
    assert_eq!(offers, 5);
}
