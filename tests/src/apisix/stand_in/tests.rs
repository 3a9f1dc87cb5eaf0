use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{Part, StandIn};
use crate::apisix::{AdminClient, Fault, KeepCalls, Kind, StandInOptions};

const LIMIT: Duration = Duration::from_secs(20);

async fn stand_in(options: StandInOptions) -> (StandIn, AdminClient) {
    let stand_in = StandIn::start(options).await.unwrap();
    let admin = stand_in.admin().unwrap();
    admin.put("upstreams/u", &json!({"nodes": {}})).await.unwrap();
    stand_in.clear_calls();
    (stand_in, admin)
}

async fn status(admin: &AdminClient, path: &str) -> u16 {
    admin.get(path).await.unwrap().status
}

#[tokio::test]
async fn calls_are_recorded_with_body_and_status() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    let value = json!({"uri": "/", "upstream_id": "u"});
    admin.put("routes/r", &value).await.unwrap();
    admin.get("routes?page=1").await.unwrap();
    admin.call(Method::DELETE, "upstreams/u", None).await.unwrap();
    let seen = |calls: Vec<crate::apisix::Call>| {
        let shown = calls.into_iter().map(|call| (call.method, call.path, call.status));
        shown.collect::<Vec<_>>()
    };
    let call = |method: &str, path: &str, status| (method.to_owned(), format!("/apisix/admin/{path}"), status);
    let put = call("PUT", "routes/r", 201);
    let delete = call("DELETE", "upstreams/u", 400);
    assert_eq!(seen(stand_in.writes()), [put.clone(), delete.clone()]);
    assert_eq!(seen(stand_in.calls()), [put, call("GET", "routes?page=1", 200), delete]);
    assert_eq!(stand_in.calls()[0].json(), value);
    stand_in.clear_calls();
    assert!(stand_in.calls().is_empty());
}

#[tokio::test]
async fn the_record_can_be_bounded() {
    let keep_calls = KeepCalls::Last(2);
    let (stand_in, admin) = stand_in(StandInOptions {
        keep_calls,
        ..StandInOptions::default()
    })
    .await;
    for path in ["routes/1", "routes/2", "routes/3"] {
        status(&admin, path).await;
    }
    let paths: Vec<_> = stand_in.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths, ["/apisix/admin/routes/2", "/apisix/admin/routes/3"]);
}

#[tokio::test]
async fn a_restart_keeps_objects_and_lost_memory_does_not() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    let url = stand_in.admin_url();
    stand_in.restart().await.unwrap();
    assert_eq!(status(&admin, "upstreams/u").await, 200);
    stand_in.lose_memory().await.unwrap();
    assert_eq!(status(&admin, "upstreams/u").await, 404);
    assert!(stand_in.objects(Kind::Upstream).is_empty());
    assert_eq!(stand_in.admin_url(), url);
}

#[tokio::test]
async fn a_part_that_is_down_refuses_connections() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    stand_in.take_down(Part::Admin).await;
    assert!(admin.get("routes").await.is_err());
    assert!(stand_in.calls().is_empty(), "nothing arrived");
    stand_in.bring_up(Part::Admin).await.unwrap();
    assert_eq!(status(&admin, "upstreams/u").await, 200);
}

#[tokio::test]
async fn faults_hold_for_some_calls_or_while_held() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    stand_in.fail_next(1, Fault::unavailable());
    assert_eq!(status(&admin, "upstreams/u").await, 503);
    assert_eq!(status(&admin, "upstreams/u").await, 200);
    let guard = stand_in.fail_while_held(Fault::Dropped, |call| call.method == "PUT");
    assert!(admin.put("upstreams/v", &json!({"nodes": {}})).await.is_err());
    assert_eq!(
        status(&admin, "upstreams/v").await,
        404,
        "reads go on, nothing was written"
    );
    drop(guard);
    stand_in.fail_next_matching(1, Fault::DoneButDropped, |call| call.path.ends_with("/v"));
    assert!(admin.put("upstreams/v", &json!({"nodes": {}})).await.is_err());
    assert_eq!(status(&admin, "upstreams/v").await, 200, "it was written");
    stand_in.fail_next(1, Fault::Delay(Duration::from_millis(1)));
    assert_eq!(status(&admin, "upstreams/v").await, 200);
}

#[tokio::test]
async fn objects_end_with_their_time_to_live() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    admin.put("upstreams/t?ttl=0.05", &json!({"nodes": {}})).await.unwrap();
    let gone = |stand_in: &StandIn| stand_in.object(Kind::Upstream, "t").is_none();
    stand_in.wait_until("end", LIMIT, gone).await.unwrap();
    assert_eq!(status(&admin, "upstreams/u").await, 200, "others stay");
}

#[tokio::test]
async fn waiting_ends_with_what_was_waited_for() {
    let (stand_in, admin) = stand_in(StandInOptions::default()).await;
    let two = |stand_in: &StandIn| stand_in.objects(Kind::Upstream).len() == 2;
    let value = json!({"nodes": {}});
    let write = admin.put("upstreams/v", &value);
    let (waited, written) = tokio::join!(stand_in.wait_until("second upstream", LIMIT, two), write);
    waited.unwrap();
    written.unwrap();
    let never = stand_in.wait_until("wonder", Duration::from_millis(1), |_| false).await;
    assert!(never.unwrap_err().to_string().contains("no wonder within"));
}
