//! Certificates that are renewed while a session lives.

use std::sync::atomic::Ordering;

use hubline::wire::{HubMessage, Scope};
use tokio::time::{Duration, Instant, timeout};
use tonic::Status;

use super::hub::{Agent, Peer, ScriptedHub};

/// A session in step with its hub.
async fn in_step(hub: &mut ScriptedHub, agent: &Agent) -> Peer {
    agent.connect(hub);
    let peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    peer
}

async fn ended(peer: &mut Peer) {
    while peer.any().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_moves_the_session_over_at_once() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    let mut before = in_step(&mut hub, &agent).await;
    for (value, supersedes) in [(2, false), (3, true), (4, true)] {
        hub.supersedes.store(supersedes, Ordering::Relaxed);
        let began = Instant::now();
        hub.renewal.notify_one();
        let mut after = hub.peer().await;
        ended(&mut before).await;
        assert_eq!(began.elapsed(), Duration::ZERO, "it is no failure, and nothing waits");
        after.accept(Scope::NOTHING).await;
        let revision = agent.set("a", value);
        assert_eq!(after.delta().await.revision, revision);
        after.ack(revision).await;
        before = after;
    }
    assert!(
        timeout(Duration::from_secs(10), hub.peer()).await.is_err(),
        "one session"
    );
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_that_is_refused_leaves_the_session_that_works() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    let mut peer = in_step(&mut hub, &agent).await;
    hub.refuses.store(true, Ordering::Relaxed);
    hub.renewal.notify_one();
    while hub.refuses.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let revision = agent.set("a", 2);
    assert_eq!(peer.delta().await.revision, revision);
    peer.ack(revision).await;
    // It is tried again, while the hub goes on speaking.
    let mut sequence = 0;
    let next = loop {
        match timeout(Duration::from_secs(5), hub.peer()).await {
            Ok(next) => break next,
            Err(_) => sequence += 1,
        }
        assert!(sequence < 13, "not within a minute");
        peer.send(HubMessage::Heartbeat(sequence, false)).await;
    };
    assert_eq!(next.hello.inventory.revision, revision);
    ended(&mut peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewed_certificate_ends_the_wait_of_one_that_was_refused() {
    let (mut hub, agent) = (ScriptedHub::start(), Agent::publishing(&["a"]));
    let peer = in_step(&mut hub, &agent).await;
    peer.fail(Status::permission_denied("the certificate has ended")).await;
    assert!(timeout(Duration::from_secs(20), hub.peer()).await.is_err());
    hub.renewal.notify_one();
    timeout(Duration::from_secs(1), hub.peer()).await.unwrap();
}
