//! The writer against an API server, under a paused clock.

use std::time::Duration;

use hubline::model::{Entry, Export, Resource, Severity};
use hubline::wire::{Epoch, Status};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::server::Server;
use super::*;
use crate::conditions::{Ledger, Options, Sources, run};
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::output::{Ancestor, Output};
use crate::publish::Publisher;
use crate::status::StatusBoard;

const ROUTE: &str = "/apis/apisix.apache.org/v2/namespaces/shop/apisixroutes/web";
const POLICY: &str = "/apis/apisix.apache.org/v1alpha1/namespaces/shop/httproutepolicies/web";
const INGRESS: &str = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web";

/// Far longer than anything here waits, on the paused clock.
const LONG: Duration = Duration::from_secs(30);

/// A replica: what its stage, its hub and its Lease tell is told by the test.
struct Replica {
    server: Server,
    ledger: Ledger,
    publisher: Publisher,
    board: StatusBoard,
    leadership: watch::Sender<Leadership>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

fn leads(holder: bool) -> Leadership {
    Leadership { holder, transitions: 0 }
}

impl Replica {
    fn start(server: &Server) -> Self {
        let publisher = Publisher::new(Epoch::default());
        let (ledger, board) = (
            Ledger::default(),
            StatusBoard::new("hub".to_owned(), Metrics::default()),
        );
        let (leadership, leading) = watch::channel(leads(true));
        let stop = CancellationToken::new();
        let sources = Sources {
            ledger: ledger.clone(),
            reader: publisher.reader(),
            board: board.clone(),
            leadership: leading,
        };
        let options = Options {
            instance: "pod".to_owned(),
            metrics: Metrics::default(),
        };
        let running = tokio::spawn(run(server.client(), sources, options, stop.clone()));
        Self {
            server: server.clone(),
            ledger,
            publisher,
            board,
            leadership,
            stop,
            running,
        }
    }

    /// The watch shows an object.
    fn watch(&self, id: &ObjectId, path: &str) {
        self.ledger.report(id, Some(self.server.reported(id, path)));
    }

    /// The object is ours, and one resource is made of it, with this content.
    fn publish(&mut self, id: &ObjectId, weight: u32) -> Key {
        let key = Key::new(ResourceKind::Export, &id.kind.group_kind(), "shop", &id.name.name, "");
        let resource = Resource::Export(Export { weight: Some(weight) });
        self.publisher.apply(Output {
            upserts: vec![Entry {
                key: key.clone(),
                resource,
            }],
            ..Output::default()
        });
        let (standing, keys) = (Standing::Ours, [key.clone()].into());
        self.ledger.declare(vec![(
            id.clone(),
            Some(Arc::new(Declared {
                standing,
                keys,
                whole: true,
                ..Declared::default()
            })),
        )]);
        key
    }

    /// The hub says something of the content that is published.
    fn say(&self, key: &Key, condition: &str) {
        let hash = self.publisher.reader().hash(key).unwrap();
        let message = if condition == "Conflict" { "claimed by b" } else { "" };
        let status = Status {
            replay_begin: false,
            replay_end: false,
            statuses: vec![said(key, hash.0, condition, condition, message)],
        };
        self.board.apply(status, &self.publisher.reader());
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(LONG, self.running).await.unwrap().unwrap();
    }
}

/// Type, status and reason of each condition.
fn shown(server: &Server) -> Vec<[String; 3]> {
    let status = server.get(ROUTE)["status"]["conditions"].clone();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let list = status.as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|it| [text(&it["type"]), text(&it["status"]), text(&it["reason"])])
        .collect()
}

fn three(kind: &str, status: &str, reason: &str) -> [String; 3] {
    [kind, status, reason].map(str::to_owned)
}

fn web() -> ObjectId {
    id(Kind::ApisixRoute, "web")
}

/// A server with an ApisixRoute that a replica sees as ours.
fn begun() -> (Server, Replica, Key) {
    let server = Server::default();
    server.put(ROUTE, &json!({}));
    let mut replica = Replica::start(&server);
    replica.watch(&web(), ROUTE);
    let key = replica.publish(&web(), 1);
    (server, replica, key)
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_written_and_what_is_pending_only_after_a_while() {
    let (server, replica, key) = begun();
    let accepted = three("Accepted", "True", "Accepted");
    server.called(1).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(shown(&server), std::slice::from_ref(&accepted));
    replica.say(&key, "Pending");
    sleep(Duration::from_secs(2)).await;
    replica.say(&key, "Programmed");
    sleep(LONG).await;
    assert_eq!(
        shown(&server),
        [accepted.clone(), three("Programmed", "True", "Programmed")]
    );
    assert_eq!(server.take_calls().len(), 2, "it was never said to be pending");

    // The target is gone for longer, and comes back.
    replica.say(&key, "Pending");
    sleep(LONG).await;
    assert_eq!(
        shown(&server),
        [accepted.clone(), three("Programmed", "False", "Pending")]
    );
    replica.say(&key, "Programmed");
    sleep(LONG).await;
    assert_eq!(shown(&server), [accepted, three("Programmed", "True", "Programmed")]);
    assert_eq!(server.take_calls().len(), 2);
    replica.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_changed_writes_nothing_over_restarts() {
    let (server, replica, key) = begun();
    replica.say(&key, "Programmed");
    sleep(LONG).await;
    // Its own write comes back.
    replica.watch(&web(), ROUTE);
    sleep(LONG).await;
    replica.end().await;
    let (before, calls) = (server.get(ROUTE), server.take_calls().len());
    assert!((1..=2).contains(&calls), "{calls}");

    let mut next = Replica::start(&server);
    next.watch(&web(), ROUTE);
    let key = next.publish(&web(), 1);
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0], "the hub has not said anything yet");
    next.say(&key, "Programmed");
    sleep(LONG).await;
    assert_eq!((server.get(ROUTE), server.take_calls()), (before, Vec::new()));
    next.end().await;
}

#[tokio::test(start_paused = true)]
async fn only_the_holder_writes_and_gives_a_call_up_when_it_no_longer_is() {
    let server = Server::default();
    server.put(ROUTE, &json!({}));
    let mut replica = Replica::start(&server);
    replica.leadership.send_replace(leads(false));
    replica.watch(&web(), ROUTE);
    replica.publish(&web(), 1);
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0]);

    server.set_silent(true);
    replica.leadership.send_replace(leads(true));
    server.called(1).await;
    let began = Instant::now();
    replica.leadership.send_replace(leads(false));
    sleep(LONG).await;
    server.set_silent(false);
    assert_eq!(server.take_calls().len(), 1, "no further attempt since {began:?}");
    replica.leadership.send_replace(leads(true));
    sleep(LONG).await;
    assert_eq!(shown(&server), [three("Accepted", "True", "Accepted")]);
    replica.end().await;
}

#[tokio::test(start_paused = true)]
async fn failures_are_tried_again_ever_later_and_what_is_gone_is_not() {
    let (server, replica, _) = begun();
    server.set_fault(Some((403, "Forbidden")));
    sleep(Duration::from_secs(3_600)).await;
    let calls = server.take_calls().len();
    // 1, 2, 4 ... 256 s, then every 300 s.
    assert_eq!(calls, 10 + (3_600 - 511) / 300);
    server.set_fault(None);
    sleep(Duration::from_secs(300)).await;
    assert_eq!(shown(&server), [three("Accepted", "True", "Accepted")]);
    server.take_calls();

    // Deleted, which the watch has not told yet; then it has.
    replica
        .ledger
        .diagnose(vec![diagnostic(&web(), Severity::Error, "X", "", "y")]);
    server.remove(ROUTE);
    server.called(1).await;
    replica.ledger.report(&web(), None);
    sleep(LONG).await;
    assert_eq!(server.take_calls().len(), 1);
    replica.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_another_wrote_in_between_is_not_overwritten() {
    let (server, mut replica, key) = begun();
    sleep(LONG).await;
    server.take_calls();
    let foreign = json!({"type": "Other", "status": "True", "reason": "X"});
    server.put(ROUTE, &json!({"conditions": [foreign]}));
    replica.say(&key, "Programmed");
    server.called(1).await;
    sleep(Duration::from_millis(10)).await;
    assert_eq!(shown(&server), [three("Other", "True", "X")], "the watch is behind");
    replica.watch(&web(), ROUTE);
    sleep(LONG).await;
    let mine = [
        three("Accepted", "True", "Accepted"),
        three("Programmed", "True", "Programmed"),
    ];
    assert_eq!(shown(&server), [&[three("Other", "True", "X")], &mine[..]].concat());

    // Other content: what was said of the old is no verdict, and what is there stays.
    server.take_calls();
    replica.watch(&web(), ROUTE);
    replica.publish(&web(), 2);
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0]);
    replica.end().await;
}

/// A replica that sees a policy that acts through one IngressClass.
fn begun_with_policy(server: &Server) -> Replica {
    let replica = Replica::start(server);
    let policy = id(Kind::HttpRoutePolicy, "web");
    replica.watch(&policy, POLICY);
    let class = Ancestor {
        group: "networking.k8s.io".into(),
        kind: "IngressClass".into(),
        name: "apisix".into(),
        targets: [0].into(),
    };
    let declared = Declared {
        standing: Standing::Ours,
        ancestors: [class].into(),
        ..Declared::default()
    };
    replica.ledger.declare(vec![(policy, Some(Arc::new(declared)))]);
    replica
}

/// Controller and reason of each entry of the policy.
fn entries(server: &Server) -> Vec<[String; 2]> {
    let list = server.get(POLICY)["status"]["ancestors"].as_array().cloned();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let entry = |it: &Value| [text(&it["controllerName"]), text(&it["conditions"][0]["reason"])];
    list.unwrap_or_default().iter().map(entry).collect()
}

#[tokio::test(start_paused = true)]
async fn a_policys_entries_lose_nobody_elses_and_survive_restarts() {
    let server = Server::default();
    server.put(POLICY, &json!({}));
    let replica = begun_with_policy(&server);
    // Another controller was quicker, which the watch has not told yet.
    let others = json!({"controllerName": "peer", "conditions": [{"reason": "Conflicted"}]});
    server.put(POLICY, &json!({"ancestors": [others]}));
    server.called(1).await;
    sleep(Duration::from_millis(10)).await;
    let peer = ["peer".to_owned(), "Conflicted".to_owned()];
    assert_eq!(entries(&server), std::slice::from_ref(&peer), "the watch is behind");
    let policy = id(Kind::HttpRoutePolicy, "web");
    replica.watch(&policy, POLICY);
    sleep(LONG).await;
    let ours = |reason: &str| [crate::source::CONTROLLER.to_owned(), reason.to_owned()];
    assert_eq!(entries(&server), [peer.clone(), ours("Accepted")]);
    let fault = diagnostic(&policy, Severity::Error, "Conflicted", "spec.targetRefs[0]", "x");
    replica.ledger.diagnose(vec![fault.clone()]);
    sleep(LONG).await;
    assert_eq!(entries(&server), [peer.clone(), ours("Conflicted")]);
    replica.end().await;
    server.take_calls();

    let next = begun_with_policy(&server);
    next.ledger.diagnose(vec![fault]);
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0]);
    // It acts through nothing of ours any more.
    let declared = Declared {
        standing: Standing::Ours,
        ..Declared::default()
    };
    next.ledger.declare(vec![(policy, Some(Arc::new(declared)))]);
    sleep(LONG).await;
    assert_eq!(entries(&server), [peer]);
    assert_eq!(server.take_calls().len(), 1);
    next.end().await;
}

#[tokio::test(start_paused = true)]
async fn many_objects_are_written_at_a_bounded_rate() {
    let server = Server::default();
    let mut replica = Replica::start(&server);
    for number in 0..100 {
        let id = id(Kind::ApisixRoute, &format!("web{number}"));
        let path = ROUTE.replace("/web", &format!("/web{number}"));
        server.put(&path, &json!({}));
        replica.watch(&id, &path);
        replica.publish(&id, 1);
    }
    let began = Instant::now();
    server.called(100).await;
    let took = began.elapsed();
    assert!(
        (Duration::from_millis(4_900)..=Duration::from_millis(5_100)).contains(&took),
        "{took:?}"
    );
    replica.end().await;
}

#[tokio::test(start_paused = true)]
async fn addresses_follow_what_the_hub_says() {
    let server = Server::default();
    server.put(INGRESS, &json!({}));
    let web = id(Kind::Ingress, "web");
    let mut replica = Replica::start(&server);
    replica.watch(&web, INGRESS);
    replica.publish(&web, 1);
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0], "no hub has said any");
    replica.board.set_addresses(vec!["192.0.2.1".to_owned()]);
    sleep(LONG).await;
    assert_eq!(
        server.get(INGRESS)["status"]["loadBalancer"]["ingress"],
        json!([{"ip": "192.0.2.1"}])
    );
    replica.board.set_addresses(vec!["lb.example.com".to_owned()]);
    sleep(LONG).await;
    assert_eq!(
        server.get(INGRESS)["status"]["loadBalancer"]["ingress"],
        json!([{"hostname": "lb.example.com"}])
    );
    replica.board.set_addresses(Vec::new());
    sleep(LONG).await;
    assert_eq!(server.take_calls().len(), 2, "no address, no write");
    replica.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_is_made_once_and_counted_when_it_happens_again() {
    let server = Server::default();
    server.put(INGRESS, &json!({}));
    let web = id(Kind::Ingress, "web");
    let mut replica = Replica::start(&server);
    replica.watch(&web, INGRESS);
    let key = replica.publish(&web, 1);
    replica.say(&key, "Conflict");
    sleep(LONG).await;
    replica.watch(&web, INGRESS);
    sleep(LONG).await;
    assert_eq!(server.take_calls().len(), 1);
    let events = server.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (&events[0]["reason"], &events[0]["note"]),
        (&json!("Conflict"), &json!("Export: claimed by b"))
    );

    // Over, and again.
    replica.say(&key, "Programmed");
    sleep(LONG).await;
    assert_eq!(server.take_calls(), [""; 0]);
    replica.say(&key, "Conflict");
    sleep(LONG).await;
    assert_eq!(server.events()[0]["series"]["count"], 2);
    let before = server.events();
    replica.end().await;

    // After a restart it is said under the same name, which changes nothing.
    let mut next = Replica::start(&server);
    next.watch(&web, INGRESS);
    let key = next.publish(&web, 1);
    sleep(LONG).await;
    next.say(&key, "Conflict");
    sleep(LONG).await;
    assert_eq!(server.events(), before);
    next.end().await;
}
