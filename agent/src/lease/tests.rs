//! Candidates against an API server that knows one Lease and resourceVersions.

use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;

#[derive(Debug, Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    down: bool,
    /// Takes requests and answers none.
    black_hole: bool,
}

impl Server {
    fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                if server.0.lock().unwrap().black_hole {
                    std::future::pending::<()>().await;
                }
                let (status, answer) = server.answer(&parts.method, &body);
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                Ok::<_, std::convert::Infallible>(Response::builder().status(status).body(answer).unwrap())
            }
        });
        kube::Client::new(service, "edge")
    }

    fn answer(&self, method: &Method, body: &[u8]) -> (StatusCode, Value) {
        let mut state = self.0.lock().unwrap();
        if state.down {
            return failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        if *method == Method::GET {
            let lease = state.lease.clone();
            return lease.map_or_else(|| failure(StatusCode::NOT_FOUND, "NotFound"), |it| (StatusCode::OK, it));
        }
        let mut lease: Value = serde_json::from_slice(body).unwrap();
        let held = state.lease.as_ref().map(|it| it["metadata"]["resourceVersion"].clone());
        if held.is_some_and(|held| held != lease["metadata"]["resourceVersion"]) {
            return failure(StatusCode::CONFLICT, "Conflict");
        }
        state.version += 1;
        lease["metadata"]["resourceVersion"] = json!(state.version.to_string());
        state.lease = Some(lease.clone());
        (StatusCode::OK, lease)
    }

    fn set_down(&self, down: bool) {
        self.0.lock().unwrap().down = down;
    }

    fn spec(&self) -> Value {
        self.0
            .lock()
            .unwrap()
            .lease
            .as_ref()
            .map_or(Value::Null, |it| it["spec"].clone())
    }

    fn candidate(&self, identity: &str) -> (watch::Receiver<Leadership>, CancellationToken) {
        let (sender, receiver) = watch::channel(Leadership::default());
        let token = CancellationToken::new();
        let run = run(
            self.client(),
            LeaseConfig::default(),
            identity.to_owned(),
            sender,
            token.clone(),
        );
        tokio::spawn(run);
        (receiver, token)
    }
}

fn failure(code: StatusCode, reason: &str) -> (StatusCode, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code.as_u16()});
    (code, status)
}

async fn until(leadership: &mut watch::Receiver<Leadership>, holder: bool) -> Leadership {
    *leadership.wait_for(|it| it.holder == holder).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn only_one_holds_and_the_other_follows_a_clean_end_within_a_renewal() {
    let server = Server::default();
    let (mut first, stop) = server.candidate("first");
    assert_eq!(until(&mut first, true).await.transitions, 0);
    let (mut second, _stop) = server.candidate("second");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!second.borrow().holder);
    assert!(first.borrow().holder);
    stop.cancel();
    let began = Instant::now();
    assert_eq!(until(&mut second, true).await.transitions, 1);
    assert!(began.elapsed() <= RENEW_INTERVAL, "{:?}", began.elapsed());
    assert_eq!(server.spec()["holderIdentity"], "second");
}

#[tokio::test(start_paused = true)]
async fn a_holder_cut_off_stops_before_another_begins() {
    let server = Server::default();
    let (mut first, _stop) = server.candidate("first");
    until(&mut first, true).await;
    server.set_down(true);
    let began = Instant::now();
    until(&mut first, false).await;
    assert!(began.elapsed() < election::DURATION, "{:?}", began.elapsed());
    server.set_down(false);
    // It is still its own lease: it goes on with the same epoch.
    assert_eq!(until(&mut first, true).await.transitions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_api_server_says_nothing_stops_at_its_deadline_and_ends_when_told_to() {
    let server = Server::default();
    let (sender, mut first) = watch::channel(Leadership::default());
    let stop = CancellationToken::new();
    let (client, config) = (server.client(), LeaseConfig::default());
    let running = tokio::spawn(run(client, config, "first".to_owned(), sender, stop.clone()));
    until(&mut first, true).await;
    let renewed = Instant::now();
    server.0.lock().unwrap().black_hole = true;
    until(&mut first, false).await;
    assert_eq!(renewed.elapsed(), election::RENEW_DEADLINE);
    server.0.lock().unwrap().black_hole = false;
    until(&mut first, true).await;
    server.0.lock().unwrap().black_hole = true;
    stop.cancel();
    timeout(Duration::from_secs(60), running).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_in_between_loses_the_lease() {
    let server = Server::default();
    let (mut first, _stop) = server.candidate("first");
    until(&mut first, true).await;
    {
        let mut state = server.0.lock().unwrap();
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.lease.as_mut().unwrap();
        lease["metadata"]["resourceVersion"] = json!(version);
        lease["spec"]["holderIdentity"] = json!("thief");
        lease["spec"]["leaseTransitions"] = json!(1);
    }
    assert_eq!(until(&mut first, false).await.transitions, 1);
    // The thief never renews.
    assert_eq!(until(&mut first, true).await.transitions, 2);
}
