//! The line: echo and confirming endpoints.

use super::support::{
    Heard, Running, Server, answering, cluster, echo, echo_again, is_bad, is_good, listener, refusing, samples, silent,
    spec,
};
use crate::path::Allowed;
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult, Vantage};
use crate::path::probe::{Sockets, TimeoutPolicy};
use std::sync::Arc;
use std::time::Duration;

/// A server that must not be asked, and is not connected to.
fn heard(server: &mut Server) -> Vec<Heard> {
    std::iter::from_fn(|| server.heard.try_recv().ok()).collect()
}

#[tokio::test]
async fn an_echo_that_answers_is_asked_over_one_kept_connection() {
    let (mut agent, mut endpoint) = (echo("room-a").await, silent().await);
    let (spec, all) = spec(&[agent.address]);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(spec);
    for _ in 0..20 {
        assert!(is_good(&prober.line().await));
    }
    let heard_by_agent = heard(&mut agent);
    let connected = heard_by_agent.iter().filter(|it| **it == Heard::Connected).count();
    assert_eq!(connected, 1, "{heard_by_agent:?}");
    assert!(heard_by_agent.len() > 20);
    assert_eq!(
        heard(&mut endpoint),
        [],
        "an endpoint is asked only when the echo fails"
    );
}

#[tokio::test]
async fn an_agent_that_restarts_switches_nothing() {
    let (agent, endpoint) = (echo("room-a").await, silent().await);
    let (spec, all) = spec(&[agent.address]);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(spec);
    assert!(is_good(&prober.line().await));
    let address = agent.stop().await;
    // Refused while it is gone: an endpoint confirms the line each time.
    for _ in 0..10 {
        assert!(is_good(&prober.line().await));
    }
    let mut agent = echo_again("room-a", address).await;
    assert_eq!(agent.heard.recv().await, Some(Heard::Connected));
    for _ in 0..10 {
        assert!(is_good(&prober.line().await));
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew_at_once() {
    // Closes after each answer.
    let mut agent = echo("room-a").await;
    let (spec, _all) = spec(&[agent.address]);
    let mut prober = Running::start(spec);
    assert!(is_good(&prober.line().await));
    // No endpoint would save a round that finds the old connection broken and gives up.
    for _ in 0..5 {
        let address = agent.stop().await;
        agent = echo_again("room-a", address).await;
        let until_asked = async { while agent.heard.recv().await != Some(Heard::Asked) {} };
        until_asked.await;
        let seen = prober.until(&Vantage::Line, is_good).await;
        let refused = ProbeResult::Nothing(NoData::NothingToProbe);
        assert!(
            seen.iter().all(|result| is_good(result) || *result == refused),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn a_round_outlives_the_end_of_the_kept_connection() {
    let (listener, address) = listener().await;
    let closing = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = vec![0; 1024];
            let read = stream.read(&mut question).await.unwrap();
            let question = std::str::from_utf8(&question[..read]).unwrap();
            let nonce = question.split_whitespace().nth(1).unwrap().rsplit('/').next().unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nhubline-cluster: room-a\r\ncontent-length: {}",
                nonce.len()
            );
            stream
                .write_all(format!("{head}\r\n\r\n{nonce}").as_bytes())
                .await
                .unwrap();
        }
    });
    let (spec, _all) = spec(&[address]);
    let mut prober = Running::start(spec);
    for _ in 0..10 {
        assert!(is_good(&prober.line().await));
    }
    closing.abort();
}

#[tokio::test]
async fn a_silent_line_is_a_timeout() {
    let (agent, endpoint) = (silent().await, refusing());
    let (mut spec, all) = spec(&[agent.address]);
    spec.timeout = TimeoutPolicy::Fixed(Duration::from_millis(20));
    let mut prober = Running::start(spec);
    assert_eq!(prober.line().await, ProbeResult::Bad(ProbeFailure::Timeout));
    // A dead pod that refuses proves the line, even where the agent is silent.
    all.send_replace(samples(&[endpoint.address]));
    prober.until(&Vantage::Line, is_good).await;
}

#[tokio::test]
async fn a_line_that_rejects_is_refused() {
    let (agent, one, other) = (refusing(), refusing(), refusing());
    let (spec, all) = spec(&[agent.address]);
    let mut prober = Running::start(spec);
    let nothing = ProbeResult::Nothing(NoData::NothingToProbe);
    assert_eq!(
        prober.line().await,
        nothing,
        "an agent that restarts in an empty cluster"
    );
    all.send_replace(samples(&[one.address, other.address]));
    let seen = prober.until(&Vantage::Line, |result| *result != nothing).await;
    assert_eq!(seen.last(), Some(&ProbeResult::Bad(ProbeFailure::Refused)));
    let alive = silent().await;
    all.send_replace(samples(&[one.address, alive.address]));
    prober.until(&Vantage::Line, is_good).await;
}

#[tokio::test]
async fn another_clusters_agent_is_no_proof() {
    let (agent, endpoint) = (echo("room-b").await, silent().await);
    let (spec, all) = spec(&[agent.address]);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(spec);
    for _ in 0..3 {
        let wrong = ProbeFailure::WrongCluster("room-b".to_owned());
        assert_eq!(prober.line().await, ProbeResult::Bad(wrong));
    }
}

#[tokio::test]
async fn whatever_is_no_echo_is_an_unexpected_answer() {
    for text in [
        "SSH-2.0-x\r\n",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nhubline-cluster: room-a\r\ncontent-length: 5\r\n\r\nother",
    ] {
        let stranger = answering(text).await;
        let (spec, _all) = spec(&[stranger.address]);
        let mut prober = Running::start(spec);
        for _ in 0..2 {
            let result = prober.line().await;
            assert!(
                matches!(result, ProbeResult::Bad(ProbeFailure::Answer(_))),
                "{text}: {result:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_outside_the_allowed_networks_is_connected_to() {
    let (mut agent, mut endpoint) = (echo("room-a").await, silent().await);
    let (mut spec, all) = spec(&[agent.address]);
    spec.allowed = Allowed::new(&["0.0.0.0/0", "127.0.0.2/32"].map(|network| network.parse().unwrap()));
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(spec);
    for _ in 0..5 {
        assert_eq!(prober.line().await, ProbeResult::Nothing(NoData::NotAllowed));
    }
    assert_eq!((heard(&mut agent), heard(&mut endpoint)), (vec![], vec![]));
}

#[tokio::test]
async fn the_second_address_of_an_echo_is_there_for_when_the_first_is_not() {
    let (silent, agent) = (silent().await, echo("room-a").await);
    let (spec, _all) = spec(&[silent.address, agent.address]);
    let mut prober = Running::start(spec);
    for _ in 0..5 {
        assert!(is_good(&prober.line().await));
    }
}

#[tokio::test]
async fn without_an_echo_the_endpoints_are_asked() {
    let endpoint = silent().await;
    let (spec, all) = spec(&[]);
    let mut prober = Running::start(spec);
    assert_eq!(prober.line().await, ProbeResult::Nothing(NoData::NothingToProbe));
    all.send_replace(samples(&[endpoint.address]));
    prober.until(&Vantage::Line, is_good).await;
}

/// The echo answers later than the timeout: what takes longer is learned, and no longer looks dead.
#[tokio::test]
async fn a_slow_line_is_not_a_dead_one() {
    let (listener, address) = listener().await;
    let slow = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let (mut buffer, mut text) = ([0; 1024], String::new());
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                    while let Some((question, rest)) = text.split_once("\r\n\r\n") {
                        let nonce = question.split_whitespace().nth(1).unwrap().rsplit('/').next().unwrap();
                        // Beyond the first timeout of a second.
                        tokio::time::sleep(Duration::from_millis(1_200)).await;
                        let answer = format!(
                            "HTTP/1.1 200 OK\r\nhubline-cluster: {}\r\ncontent-length: {}\r\n\r\n{nonce}",
                            cluster(),
                            nonce.len()
                        );
                        text = rest.to_owned();
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    let (mut spec, _all) = spec(&[address]);
    spec.interval = Duration::from_millis(500);
    let mut prober = Running::start(spec);
    prober.until(&Vantage::Line, is_good).await;
    slow.abort();
}

#[tokio::test]
async fn a_hub_without_sockets_blames_no_line() {
    let (agent, endpoint) = (echo("room-a").await, silent().await);
    let (mut spec, all) = spec(&[agent.address]);
    spec.timeout = TimeoutPolicy::Fixed(Duration::from_millis(5));
    all.send_replace(samples(&[endpoint.address]));
    let sockets = Sockets::new(1);
    let taken = sockets.place_now().unwrap();
    let mut prober = Running::start_with(spec, sockets);
    for _ in 0..5 {
        assert_eq!(prober.line().await, ProbeResult::Nothing(NoData::HubBusy));
    }
    drop(taken);
    prober.until(&Vantage::Line, is_good).await;
}

#[tokio::test]
async fn a_prober_that_ends_gives_everything_back() {
    let (mut agent, mut endpoint) = (silent().await, silent().await);
    let (spec, all) = spec(&[agent.address]);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start_with(spec, Sockets::new(64));
    // Under way: a question that nobody answers.
    while agent.heard.recv().await != Some(Heard::Asked) {}
    assert!(prober.sockets.free() < 64);
    prober.shutdown.cancel();
    (&mut prober.task).await.unwrap();
    assert_eq!(prober.sockets.free(), 64);
    heard(&mut endpoint);
}

#[tokio::test]
async fn a_new_specification_takes_effect_at_once_and_old_probes_are_forgotten() {
    let (gone, agent) = (silent().await, echo("room-a").await);
    let (before, _all) = spec(&[gone.address]);
    let mut prober = Running::start(before.clone());
    assert!(is_bad(&prober.line().await));
    let echo = vec![agent.address.to_string()];
    prober
        .spec
        .send_replace(Arc::new(crate::path::probe::ProbeSpec { echo, ..before }));
    prober.until(&Vantage::Line, is_good).await;
    for _ in 0..20 {
        assert!(
            is_good(&prober.line().await),
            "a probe of the old specification came through"
        );
    }
}
