//! Events over the API, as a reader of server-sent events sees them.

use std::time::Duration;

use futures::StreamExt;
use reqwest::Response;
use serde_json::{Value, json};

use super::fixture::Served;
use crate::path::log::KEPT;

/// Above all that anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event as it was sent.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

fn parse(block: &str) -> Event {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    Event {
        id: field("id: ").unwrap_or_default().to_owned(),
        kind: field("event: ").unwrap_or_default().to_owned(),
        data: field("data: ").map_or(Value::Null, |data| serde_json::from_str(data).unwrap()),
    }
}

impl Served {
    /// What there is, without what comes later. The first has no kind: it says where the reader begins.
    async fn events(&self, query: &str) -> Vec<Event> {
        let (status, text) = self.text(&format!("/v1/events?follow=false{query}")).await;
        assert_eq!(status, 200, "{text}");
        text.split_terminator("\n\n").map(parse).collect()
    }

    async fn follow(&self, id: &str) -> Follow {
        let request = self.client.get(self.url("/v1/events?last=1"));
        let answer = request.header("last-event-id", id).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Follow {
            answer,
            text: String::new(),
        }
    }

    /// A verdict, then a switch.
    async fn happen(&self) {
        self.paths.cut("a", "line").await;
    }
}

struct Follow {
    answer: Response,
    text: String,
}

impl Follow {
    /// The next event; none when the hub ended it.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = parse(block);
                self.text = rest.to_owned();
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.answer.chunk())
                .await
                .expect("nothing came");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
    }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[tokio::test]
async fn a_reader_that_was_away_goes_on_where_it_stopped() {
    let served = Served::over_unix().await;
    let begin = served.events("").await;
    assert_eq!(kinds(&begin), [""], "what was before is not asked for");
    let mut reader = served.follow(&begin[0].id).await;
    assert_eq!(reader.next().await.unwrap().id, begin[0].id);
    served.happen().await;
    let verdict = reader.next().await.unwrap();
    assert_eq!(verdict.kind, "verdict-changed");
    assert_eq!(
        (&verdict.data["cluster"], &verdict.data["to"]),
        (&json!("a"), &json!("down"))
    );
    drop(reader);
    let mut again = served.follow(&verdict.id).await;
    assert_eq!(again.next().await.unwrap().id, verdict.id);
    let switched = again.next().await.unwrap();
    assert_eq!(
        (switched.kind.as_str(), &switched.data["to"]),
        ("switched", &json!("public"))
    );
    let number = |event: &Event| event.id.split_once('-').unwrap().1.parse::<u64>().unwrap();
    assert_eq!(number(&switched), number(&verdict) + 1);
}

#[tokio::test]
async fn so_many_of_the_last_or_those_after_one() {
    let served = Served::over_tcp().await;
    served.happen().await;
    let all = ["", "verdict-changed", "switched"];
    let first = served.events("&last=1000").await;
    assert_eq!(kinds(&first), all);
    assert_eq!(kinds(&served.events("&last=1").await), ["", "switched"]);
    assert_eq!(kinds(&served.events("&after=0").await), all);
    assert_eq!(kinds(&served.events("&after=1").await), ["", "switched"]);
    assert_eq!(
        kinds(&served.events(&format!("&after={}", first[1].id)).await),
        ["", "switched"]
    );
    assert_eq!(kinds(&served.events("").await), [""]);
    for (query, allowed) in [
        ("last=0", "a number from 1 to 1000"),
        ("after=x", "its number, as 17"),
        ("last=1&after=1", "last"),
        ("follow=yes", "true"),
        ("since=1", "after"),
    ] {
        let (status, body) = served.json(&format!("/v1/events?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(
            body["allowed"].as_array().unwrap().contains(&json!(allowed)),
            "{query}: {body}"
        );
    }
}

/// Numbers begin anew with each run: a stale one would hide what happened since.
#[tokio::test]
async fn an_id_of_another_run_begins_with_everything() {
    let served = Served::over_unix().await;
    served.happen().await;
    for id in ["00000000-1", "nonsense", "-", "99"] {
        let mut reader = served.follow(id).await;
        assert!(reader.next().await.unwrap().id.ends_with("-0"), "{id}");
        assert_eq!(reader.next().await.unwrap().kind, "verdict-changed", "{id}");
    }
    assert_eq!(kinds(&served.events("&after=99").await).len(), 3);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_a_gap() {
    let served = Served::over_unix().await;
    served.happen().await;
    let log = served.paths.handle.log();
    let record = log.after(0)[0].record.as_ref().clone();
    for _ in 0..KEPT {
        log.push(record.clone());
    }
    let events = served.events("&after=1").await;
    assert_eq!(kinds(&events[..3]), ["", "gap", "verdict-changed"]);
    assert_eq!(events[1].data, json!({"event": "gap", "missed": 1}));
    assert!(events[1].id.ends_with("-2"), "{:?}", events[1]);
    assert_eq!(events.len(), 2 + KEPT);
    let whole = served.events("&last=1000").await;
    assert_eq!((whole.len(), whole[1].kind.as_str()), (1 + KEPT, "verdict-changed"));
}

#[tokio::test]
async fn a_reader_does_not_hold_up_the_hubs_end() {
    let served = Served::over_unix().await;
    let mut reader = served.follow("").await;
    assert!(reader.next().await.is_some());
    served.cancel.cancel();
    let ended = tokio::time::timeout(PATIENCE, served.task).await;
    ended.expect("the hub waits for a reader").unwrap().unwrap();
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn readers_are_bounded() {
    let served = Served::over_unix().await;
    let asked = (0..crate::api::event::MAX_READERS).map(|_| served.follow(""));
    let mut readers: Vec<_> = futures::stream::iter(asked).buffer_unordered(8).collect().await;
    let (status, body) = served.json("/v1/events?follow=false").await;
    assert_eq!((status, &body["error"]), (503, &json!("TooManyReaders")));
    readers.clear();
    // A connection that ended is noticed a moment later.
    let served_again = async {
        while served.text("/v1/events?follow=false").await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, served_again)
        .await
        .expect("places are not given back");
}
