//! What a session does when its hub is not there, or does not want it.

use std::sync::atomic::Ordering;

use hubline::wire::{AgentMessage, Epoch, HubMessage, ResyncReason, Scope};
use tokio::time::{Duration, Instant, timeout};
use tonic::Status;

use super::hub::{Agent, ScriptedHub};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_cut_is_sent_whole_to_the_next_session() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a", "b"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::Everything).await;
    assert!(matches!(peer.next().await, AgentMessage::SnapshotBegin(_)));
    drop(peer);
    let mut peer = hub.peer().await;
    peer.accept(Scope::Everything).await;
    assert_eq!(peer.snapshot().await.2.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_the_hub_is_away_is_in_the_next_hello() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    peer.fail(Status::unavailable("restarting")).await;
    let revision = agent.set("a", 2);
    drop(peer);
    let peer = hub.peer().await;
    assert_eq!(peer.hello.inventory.revision, revision);
    assert_eq!(peer.hello.inventory.epoch, Epoch { counter: 3, random: 7 });
}

#[tokio::test(start_paused = true)]
async fn a_silent_hub_is_left_after_three_heartbeats() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    let began = Instant::now();
    while peer.any().await.is_some() {}
    assert_eq!(began.elapsed().as_secs(), 15);
    hub.peer().await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_never_acknowledges_is_left() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::Everything).await;
    let began = Instant::now();
    while let Some(message) = peer.any().await {
        if let AgentMessage::Heartbeat(sequence, false) = message {
            peer.send(HubMessage::Heartbeat(sequence, true)).await;
        }
    }
    assert!((40..50).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// 1.2 MB take 75 s on the slowest line that carries a session.
#[tokio::test(start_paused = true)]
async fn a_hub_that_lives_is_given_the_time_that_a_slow_line_takes() {
    let names: Vec<_> = (0..30_000).map(|number| format!("resource-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&names));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::Everything).await;
    let (revision, _, taken) = peer.snapshot().await;
    assert_eq!(taken.len(), names.len());
    for sequence in 0..20 {
        tokio::time::sleep(seconds(5)).await;
        peer.send(HubMessage::Heartbeat(sequence, false)).await;
    }
    peer.ack(revision).await;
    tokio::time::sleep(seconds(1)).await;
    assert!(hub.is_left_alone(), "the agent began anew");
    peer.send(HubMessage::Heartbeat(99, false)).await;
    while peer.any().await.expect("the session ended") != AgentMessage::Heartbeat(99, true) {}
}

#[tokio::test(start_paused = true)]
async fn endless_resyncs_end_the_session() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::Everything).await;
    let mut snapshots = 0;
    while let Some(message) = peer.any().await {
        if matches!(message, AgentMessage::SnapshotEnd(_)) {
            snapshots += 1;
            peer.resync(ResyncReason::BrokenSnapshot, Scope::Everything).await;
        }
    }
    assert_eq!(snapshots, 5);
}

#[tokio::test(start_paused = true)]
async fn a_superseded_session_stands_by() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let peer = hub.peer().await;
    peer.send(HubMessage::Superseded("other".to_owned())).await;
    let began = Instant::now();
    hub.peer().await;
    assert!((30..=60).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_newer_epoch_ends_the_standby_at_once() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.send(HubMessage::Superseded("other".to_owned())).await;
    while peer.any().await.is_some() {}
    assert!(timeout(seconds(5), hub.peer()).await.is_err());
    agent.publisher.begin_epoch(Epoch { counter: 4, random: 1 });
    let peer = timeout(seconds(1), hub.peer()).await.unwrap();
    assert_eq!(peer.hello.inventory.epoch.counter, 4);
}

#[tokio::test(start_paused = true)]
async fn a_refused_agent_tries_slowly() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    hub.refuses.store(true, Ordering::Relaxed);
    agent.connect(&hub);
    let began = Instant::now();
    hub.peer().await;
    assert!((30..=60).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn addresses_are_tried_in_their_order() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect_over(&hub, &["dead:7443", "public:7443"]);
    drop(hub.peer().await);
    hub.peer().await;
    assert_eq!(hub.tried(), ["dead:7443", "public:7443", "dead:7443", "public:7443"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stops_ends_its_stream() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    drop(agent);
    while peer.any().await.is_some() {}
    assert!(timeout(seconds(100), hub.peer()).await.is_err());
}
