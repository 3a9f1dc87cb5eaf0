//! Looking through APISIX.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::{
    INTERVAL, Running, answering, cluster, echo, echo_until, is_bad, is_good, refusing, samples, silent, spec,
};
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult, Vantage};
use crate::path::probe::{GatewayProbe, ProbeSpec, TimeoutPolicy};

const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\nserver: APISIX\r\ncontent-length: 0\r\n\r\n";

fn gateway(address: SocketAddr) -> GatewayProbe {
    GatewayProbe {
        instance: address.to_string().into(),
        host: "probe.hubline".to_owned(),
        path: "/hubline/echo/room-a/leased-line".to_owned(),
        expected_cluster: cluster(),
    }
}

fn vantage(address: SocketAddr) -> Vantage {
    Vantage::Gateway(address.to_string().into())
}

fn often(spec: ProbeSpec, gateways: &[SocketAddr]) -> ProbeSpec {
    let gateways = gateways.iter().copied().map(gateway).collect();
    let gateway_interval = INTERVAL;
    ProbeSpec {
        gateways,
        gateway_interval,
        ..spec
    }
}

/// Waits until what comes through says nothing, and sees it stay so.
async fn says_nothing(prober: &mut Running, through: &Vantage) {
    let gone = ProbeResult::Nothing(NoData::EchoGone);
    prober.until(through, |result| *result == gone).await;
    for _ in 0..5 {
        assert_eq!(prober.next(through).await.result, gone);
    }
}

#[tokio::test]
async fn each_instance_is_a_vantage_of_its_own() {
    let (agent, wrong) = (echo("room-a").await, echo("room-b").await);
    let (broken, unaware) = (
        answering(BAD_GATEWAY).await,
        answering("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await,
    );
    let gone = refusing();
    let (line, _all) = spec(&[agent.address]);
    let instances = [
        agent.address,
        wrong.address,
        broken.address,
        unaware.address,
        gone.address,
    ];
    let mut prober = Running::start(often(line, &instances));
    // Until it is known that the agent's echo is there.
    assert!(is_good(&prober.line().await));
    let other = ProbeFailure::WrongCluster("room-b".to_owned());
    let bad_gateway = ProbeFailure::Answer("status 502".to_owned());
    assert!(is_good(&prober.next(&vantage(agent.address)).await.result));
    for (address, wanted) in [
        (wrong.address, ProbeResult::Bad(other)),
        (broken.address, ProbeResult::Bad(bad_gateway)),
        (unaware.address, ProbeResult::Nothing(NoData::NoProbeRoute)),
        (gone.address, ProbeResult::Nothing(NoData::GatewayGone)),
    ] {
        assert_eq!(prober.next(&vantage(address)).await.result, wanted, "{address}");
    }
}

#[tokio::test]
async fn an_instance_that_waits_for_the_path_is_a_timeout() {
    let (agent, stuck) = (echo("room-a").await, silent().await);
    let (mut line, _all) = spec(&[agent.address]);
    line.timeout = TimeoutPolicy::Fixed(Duration::from_millis(10));
    let mut prober = Running::start(often(line, &[stuck.address]));
    let result = prober.next(&vantage(stuck.address)).await.result;
    assert_eq!(result, ProbeResult::Bad(ProbeFailure::Timeout));
}

#[tokio::test]
async fn a_bad_round_asks_the_gateways_at_once() {
    let (line, apisix) = (silent().await, echo("room-a").await);
    let (mut spec, _all) = spec(&[line.address]);
    spec.timeout = TimeoutPolicy::Fixed(Duration::from_millis(10));
    // By themselves they would be asked once an hour.
    spec.gateways = vec![gateway(apisix.address)];
    let mut prober = Running::start(spec);
    let bad = prober.next(&Vantage::Line).await;
    assert!(is_bad(&bad.result));
    for _ in 0..3 {
        let through = prober.next(&vantage(apisix.address)).await;
        assert!(is_good(&through.result) && through.sent >= bad.sent, "{through:?}");
    }
}

#[tokio::test]
async fn through_a_missing_echo_nothing_is_seen() {
    let (agent, endpoint, apisix) = (echo("room-a").await, silent().await, answering(BAD_GATEWAY).await);
    let (line, all) = spec(&[agent.address]);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(often(line, &[apisix.address]));
    let through = vantage(apisix.address);
    prober.until(&through, is_bad).await;
    // The agent goes: the line is good without it, and what APISIX finds there says nothing.
    agent.stop().await;
    says_nothing(&mut prober, &through).await;
    // The line goes too: now it speaks again.
    endpoint.stop().await;
    prober.until(&through, is_bad).await;
}

/// A node dies with the agent and some endpoints. Its echo is known to be lost only after two timeouts, one for itself and
/// one for the endpoints; what APISIX finds there meanwhile must not take the path down.
#[tokio::test]
async fn what_falls_silent_with_the_agent_waits_for_the_endpoints() {
    let silenced = Arc::new(AtomicBool::new(false));
    let (agent, endpoint, apisix) = (
        echo_until("room-a", Arc::clone(&silenced)).await,
        silent().await,
        answering(BAD_GATEWAY).await,
    );
    let (mut line, all) = spec(&[agent.address]);
    line.timeout = TimeoutPolicy::Fixed(10 * INTERVAL);
    all.send_replace(samples(&[endpoint.address]));
    let mut prober = Running::start(often(line, &[apisix.address]));
    let through = vantage(apisix.address);
    prober.until(&through, is_bad).await;
    silenced.store(true, Ordering::Relaxed);
    // What was answered before may still be under way.
    let since = prober.began.elapsed() + INTERVAL;
    let mut gone = 0;
    while gone < 10 {
        let evidence = prober.next(&through).await;
        let after = evidence.sent.0 > since;
        assert!(!after || !is_bad(&evidence.result), "{evidence:?} counts");
        gone += u32::from(evidence.result == ProbeResult::Nothing(NoData::EchoGone));
    }
}

/// An agent that is upgraded in a cluster that is scaled to zero: nobody is there who could prove the line.
#[tokio::test]
async fn through_a_missing_echo_of_an_empty_cluster_nothing_is_seen() {
    let (agent, apisix) = (echo("room-a").await, answering(BAD_GATEWAY).await);
    let (line, _none) = spec(&[agent.address]);
    let mut prober = Running::start(often(line, &[apisix.address]));
    let through = vantage(apisix.address);
    prober.until(&through, is_bad).await;
    agent.stop().await;
    says_nothing(&mut prober, &through).await;
}
