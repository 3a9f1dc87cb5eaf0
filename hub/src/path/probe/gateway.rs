//! Looking through one APISIX instance: its probe route leads over the path to the agent's echo.

use std::time::Duration;

use tokio::time::Instant;

use super::echo::Answer;
use super::get::{Wanted, get};
use super::judge::Miss;
use super::names::Names;
use super::sockets::{Sockets, connect};
use super::spec::GatewayProbe;
use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};

/// Asks one instance.
pub(super) async fn ask(
    gateway: &GatewayProbe,
    nonce: &str,
    timeout: Duration,
    names: &Names,
    sockets: &Sockets,
) -> ProbeResult {
    let asked = async {
        let _place = sockets.place(timeout).await?;
        let began = Instant::now();
        let answer = exchange(gateway, nonce, began + timeout, names).await?;
        judge_answer(gateway, nonce, &answer)?;
        Ok(ProbeResult::Good {
            round_trip: began.elapsed(),
        })
    };
    asked.await.unwrap_or_else(|miss: Miss| miss.into())
}

/// An instance that cannot be connected to is gone itself; one that takes the question and is silent waits for the path.
async fn exchange(gateway: &GatewayProbe, nonce: &str, deadline: Instant, names: &Names) -> Result<Answer, Miss> {
    let gone = Miss::Nothing(NoData::GatewayGone);
    let resolving = tokio::time::timeout_at(deadline, names.resolve(&gateway.instance, None));
    let addresses = resolving.await.map_err(|_| gone.clone())??;
    let address = addresses.first().ok_or_else(|| gone.clone())?;
    let mut stream = connect(*address, deadline).await.map_err(|_| gone)?;
    let path = format!("{}/{nonce}", gateway.path);
    let asking = get(&mut stream, &gateway.host, &path, Wanted::Body);
    match tokio::time::timeout_at(deadline, asking).await {
        Ok(Ok(answer)) => Ok(unframed(answer, nonce)),
        // It closes connections when it stops or reloads.
        Ok(Err(_)) => Err(NoData::GatewayGone.into()),
        Err(_) => Err(ProbeFailure::Timeout.into()),
    }
}

/// A plugin may have changed how the body is sent (in chunks): it is right where the nonce is in it.
fn unframed(mut answer: Answer, nonce: &str) -> Answer {
    let has_it = answer
        .body
        .windows(nonce.len().max(1))
        .any(|window| window == nonce.as_bytes());
    if has_it {
        answer.body = nonce.as_bytes().to_vec();
    }
    answer
}

/// Only what APISIX says of its upstream (502, 503, 504: refused, none, timed out) speaks of the path; other answers
/// without an agent's name are APISIX's own: the route is not there yet, or not as it should be.
fn judge_answer(gateway: &GatewayProbe, nonce: &str, answer: &Answer) -> Result<(), Miss> {
    if answer.cluster.is_some() {
        return Ok(answer.judge(&gateway.expected_cluster, nonce)?);
    }
    match answer.status {
        502..=504 => Err(ProbeFailure::Answer(format!("status {}", answer.status)).into()),
        _ => Err(NoData::NoProbeRoute.into()),
    }
}

#[cfg(test)]
mod tests {
    use hubline::model::ClusterId;

    use super::*;

    #[test]
    fn only_what_comes_from_beyond_apisix_counts() {
        let gateway = GatewayProbe {
            instance: "10.0.0.1:9080".into(),
            host: "probe".to_owned(),
            path: "/hubline/echo/room-a/line".to_owned(),
            expected_cluster: ClusterId::new("room-a").unwrap(),
        };
        let status = |status: u16| Err(Miss::Bad(ProbeFailure::Answer(format!("status {status}"))));
        let own = Err(Miss::Nothing(NoData::NoProbeRoute));
        for (code, cluster, wanted) in [
            (200, Some("room-a"), Ok(())),
            (
                200,
                Some("room-b"),
                Err(Miss::Bad(ProbeFailure::WrongCluster("room-b".to_owned()))),
            ),
            (200, None, own.clone()),
            (404, None, own.clone()),
            (500, None, own.clone()),
            (401, None, own),
            (502, None, status(502)),
            (503, None, status(503)),
            (504, None, status(504)),
        ] {
            let answer = Answer {
                status: code,
                cluster: cluster.map(str::to_owned),
                body: b"n".to_vec(),
            };
            assert_eq!(judge_answer(&gateway, "n", &answer), wanted, "{code} {cluster:?}");
        }
    }
}
