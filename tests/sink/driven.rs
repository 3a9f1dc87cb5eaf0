//! The driver at work on the stand-in, in real time.

use super::*;

/// A driver at work.
struct Driven {
    writer: DesiredWriter,
    outcomes: mpsc::Receiver<Outcomes>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Driven {
    fn start(stand_in: &StandIn) -> Self {
        let sink = Arc::new(sink_at(vec![stand_in.admin_url()], stand_in.admin_key()));
        let (writer, reader) = desired::channel();
        let (outcomes_tx, outcomes) = mpsc::channel(OUTCOMES_CAPACITY);
        let (target, _) = watch::channel(Arc::<TargetSummary>::default());
        let metrics = SinkMetrics::register(&mut prometheus_client::registry::Registry::default());
        let reports = Reports {
            outcomes: outcomes_tx,
            target,
            writes: Writes::default(),
            metrics,
        };
        let driver = Driver::new(sink, reader, DriverOptions::standard(ownership()), reports);
        let shutdown = CancellationToken::new();
        Self {
            writer,
            outcomes,
            task: tokio::spawn(driver.run(shutdown.clone())),
            shutdown,
        }
    }

    fn want(&self, objects: &[Arc<Object>]) {
        self.writer.commit(
            objects
                .iter()
                .map(|object| (object.id.clone(), Some(object.clone())))
                .collect(),
        );
        self.writer.settle(["hl-".to_owned()]);
    }

    async fn until_programmed(&mut self, object: &Object) {
        let programmed = (object.id.clone(), Outcome::Programmed(object.hash));
        let wait = async {
            while let Some(outcomes) = self.outcomes.recv().await {
                if outcomes.contains(&programmed) {
                    return;
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap();
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

fn wanted() -> Vec<Arc<Object>> {
    vec![
        route("hl-r", "hl-a", &json!({})),
        upstream("hl-a", 1),
        upstream("hl-b", 1),
    ]
}

fn has(stand_in: &StandIn, kind: Kind, name: &str) -> bool {
    stand_in.object(kind, name).is_some()
}

fn has_all(stand_in: &StandIn) -> bool {
    has(stand_in, Kind::Route, "hl-r") && has(stand_in, Kind::Upstream, "hl-a") && has(stand_in, Kind::Upstream, "hl-b")
}

#[tokio::test]
async fn nothing_changed_writes_nothing_after_a_restart() {
    let (stand_in, _) = stand_in().await;
    let mut driven = Driven::start(&stand_in);
    driven.want(&wanted());
    driven.until_programmed(&wanted()[0]).await;
    driven.stop().await;
    stand_in.clear_calls();
    let mut driven = Driven::start(&stand_in);
    driven.want(&wanted());
    driven.until_programmed(&wanted()[0]).await;
    driven.stop().await;
    assert_eq!(stand_in.writes().len(), 0);
}

#[tokio::test]
async fn lost_memory_brings_everything_back() {
    let (stand_in, _) = stand_in().await;
    let mut driven = Driven::start(&stand_in);
    driven.want(&wanted());
    driven.until_programmed(&wanted()[0]).await;
    stand_in
        .wait_until("marker", LIMIT, |stand_in| {
            has(stand_in, Kind::Upstream, &ownership().marker().id.id)
        })
        .await
        .unwrap();
    stand_in.lose_memory().await.unwrap();
    stand_in.wait_until("everything back", LIMIT, has_all).await.unwrap();
    driven.stop().await;
}

#[tokio::test]
async fn one_endpoint_change_is_one_write() {
    let (stand_in, _) = stand_in().await;
    let mut driven = Driven::start(&stand_in);
    driven.want(&wanted());
    driven.until_programmed(&wanted()[0]).await;
    stand_in.clear_calls();
    driven.want(&[upstream("hl-a", 2)]);
    driven.until_programmed(&upstream("hl-a", 2)).await;
    driven.stop().await;
    let writes: Vec<_> = stand_in
        .writes()
        .into_iter()
        .map(|call| format!("{} {}", call.method, call.path))
        .collect();
    assert_eq!(writes, ["PUT /apisix/admin/upstreams/hl-a"]);
}

#[tokio::test]
async fn leftovers_go_in_order_and_foreign_objects_stay() {
    let (stand_in, _) = stand_in().await;
    let admin = stand_in.admin().unwrap();
    admin
        .put("upstreams/someone", &json!({"nodes": {"127.0.0.1:1": 1}}))
        .await
        .unwrap();
    let mut driven = Driven::start(&stand_in);
    driven.want(&wanted());
    driven.until_programmed(&wanted()[0]).await;
    driven
        .writer
        .commit(wanted().iter().map(|object| (object.id.clone(), None)).collect());
    let gone = |stand_in: &StandIn| !has(stand_in, Kind::Upstream, "hl-a") && !has(stand_in, Kind::Upstream, "hl-b");
    stand_in.wait_until("removal", LIMIT, gone).await.unwrap();
    driven.stop().await;
    assert!(has(&stand_in, Kind::Upstream, "someone"));
    assert!(
        stand_in.writes().iter().all(|call| call.status < 300),
        "no delete was refused"
    );
}
