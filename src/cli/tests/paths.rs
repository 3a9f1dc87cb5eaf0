//! Paths, orders about them, and events.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A hub that gives these answers, one a connection; gives its address and, at the end, what it was asked.
async fn hub_of(answers: Vec<String>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            asked.push(request(&mut socket).await);
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        asked
    });
    (address, served)
}

/// Head and body, as long as the head says.
async fn request(socket: &mut tokio::net::TcpStream) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut bytes = [0_u8; 4096];
        let length = socket.read(&mut bytes).await.unwrap();
        assert!(length > 0, "cut off: {text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
}

fn answer(status: u16, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn json_answer(status: u16, body: &Value) -> String {
    answer(status, "application/json", &body.to_string())
}

fn order() -> Value {
    json!({"id": 17, "kind": "drain", "cluster": "a", "path": "line", "who": "uid 0", "why": "works",
        "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T02:00:00.5Z", "force": false})
}

fn cells(line: &str) -> Vec<&str> {
    line.split("  ")
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .collect()
}

#[tokio::test]
async fn paths_are_a_row_each() {
    let path = |name: &str, verdict: &str, verified: bool| {
        json!({"name": name, "kind": "private-line", "rank": 0, "verdict": verdict, "verified": verified,
            "cause": "fell", "since": "2026-01-01T00:00:00.9Z", "loss": {"lost": 3, "of": 40},
            "roundTripMilliseconds": 1.26, "lastFailure": {"vantage": "line", "failure": "no answer in time", "at": "t"},
            "vantages": [{"vantage": "line", "down": true}, {"vantage": "target x", "down": false}]})
    };
    let body = json!({"version": 1, "suspected": false, "items": [
        {"cluster": "a", "active": "public", "reason": {"switched": "down"}, "since": "2026-01-01T00:00:01Z",
         "held": {"by": {"freeze": 18}, "wanted": "line", "until": null}, "penalty": 1000, "switchesWithinAnHour": 1,
         "orders": [order(), {"id": 18, "kind": "freeze", "cluster": "a"}],
         "carrier": {"by": "burst", "why": "not proved"},
         "paths": [path("line", "down", true), path("public", "up", false)]},
        {"cluster": "b", "active": "line", "weights": {"line": 25, "public": 75}, "orders": [], "carrier": null,
         "paths": [path("line", "up", true), path("public", "up", true)]}]});
    let (address, asked) = hub_of(vec![json_answer(200, &body)]).await;
    let shown = hubline(&["paths", "--hub", &address]).await.unwrap();
    assert!(asked.await.unwrap()[0].starts_with("GET /v1/paths HTTP/1.1"));
    let lines: Vec<_> = shown.lines().map(cells).collect();
    let header = [
        "CLUSTER", "PATH", "KIND", "RANK", "VERDICT", "ACTIVE", "RTT", "LOSS", "SINCE", "HELD", "CARRIER",
    ];
    assert_eq!(lines[0], header);
    let since = "2026-01-01T00:00:00Z";
    assert_eq!(
        lines[1],
        [
            "a",
            "line",
            "private-line",
            "0",
            "down",
            "-",
            "1.3ms",
            "3/40",
            since,
            "drain#17",
            "-"
        ]
    );
    let held = "freeze:18,freeze#18";
    assert_eq!(
        lines[2],
        [
            "a",
            "public",
            "private-line",
            "0",
            "up?",
            "yes",
            "1.3ms",
            "3/40",
            since,
            held,
            "burst"
        ]
    );
    assert_eq!((lines[3][5], lines[4][5]), ("25%", "75%"));
    assert_eq!(lines.len(), 5);
    let (address, asked) = hub_of(vec![json_answer(200, &body["items"][0])]).await;
    let shown = hubline(&["paths", "a", "--hub", &address, "-o", "wide"]).await.unwrap();
    assert!(asked.await.unwrap()[0].starts_with("GET /v1/paths/a HTTP/1.1"));
    for part in ["switched:down", "no answer in time (line, t)", "not proved", "1000"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// Arguments, request line, and what is ordered.
type Ordered = (&'static [&'static str], &'static str, Value);

#[tokio::test]
async fn orders_are_asked_for() {
    let table: [Ordered; 4] = [
        (
            &["pin", "a", "line"],
            "POST /v1/orders",
            json!({"kind": "pin", "cluster": "a", "path": "line"}),
        ),
        (
            &["drain", "a", "line"],
            "POST /v1/orders",
            json!({"kind": "drain", "cluster": "a", "path": "line"}),
        ),
        (
            &["drain", "a"],
            "POST /v1/orders",
            json!({"kind": "drain", "cluster": "a", "path": null}),
        ),
        (
            &["freeze", "a"],
            "POST /v1/orders",
            json!({"kind": "freeze", "cluster": "a"}),
        ),
    ];
    for (arguments, line, wanted) in table {
        let (address, asked) = hub_of(vec![json_answer(201, &order())]).await;
        let given = ["--for", "2h", "--why", "works", "--force", "--hub", &address];
        let shown = hubline(&[&["path"], arguments, &given].concat()).await.unwrap();
        assert_eq!(
            shown,
            "order 17 is in force: drain a/line until 2026-01-01T02:00:00Z, by uid 0: works\n"
        );
        let asked = asked.await.unwrap().remove(0);
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(line) && head.contains("application/json"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            body,
            json!({"order": wanted, "why": "works", "lasts": "2h", "force": true})
        );
    }
    let (address, asked) = hub_of(vec![json_answer(200, &order())]).await;
    let shown = hubline(&["path", "release", "17", "--hub", &address]).await.unwrap();
    assert!(shown.starts_with("order 17 is released: drain a/line"), "{shown}");
    assert!(asked.await.unwrap()[0].starts_with("DELETE /v1/orders/17 "));
    let (address, _) = hub_of(vec![json_answer(200, &json!({"items": [order()]}))]).await;
    let shown = hubline(&["path", "orders", "--hub", &address]).await.unwrap();
    let row = cells(shown.lines().nth(1).unwrap());
    assert_eq!(
        row,
        ["17", "drain", "a", "line", "2026-01-01T02:00:00Z", "uid 0", "works"]
    );
}

#[tokio::test]
async fn a_refused_order_says_why_and_what_would_help() {
    let refusal = |force: bool| json!({"error": "path-down", "reason": "path \"line\" is down", "allowed": [], "canBeForced": force});
    for (force, part) in [
        (true, "is down\n  --force does it all the same"),
        (false, "path \"line\" is down"),
    ] {
        let (address, _) = hub_of(vec![json_answer(409, &refusal(force))]).await;
        let given = [
            "path", "pin", "a", "line", "--for", "2h", "--why", "works", "--hub", &address,
        ];
        let error = hubline(&given).await.unwrap_err();
        assert!(error.to_string().ends_with(part), "{error}");
        assert_eq!(error.code(), 1);
    }
    for missing in [&["--for", "1h"][..], &["--why", "works"]] {
        let error = hubline(&[&["path", "pin", "a", "line"], missing].concat())
            .await
            .unwrap_err();
        assert_eq!(error.code(), 2, "{missing:?}");
    }
}

fn events(text: &str) -> String {
    answer(200, "text/event-stream", text)
}

const SWITCHED: &str = r#"{"at":"2026-01-01T00:00:00.1Z","cluster":"a","event":"switched","from":"line","to":"public","why":"down","sinceFirstBadMilliseconds":812.4}"#;

#[tokio::test]
async fn events_are_a_line_each() {
    let table = [
        (SWITCHED.to_owned(), "line -> public: down, 812 ms after the first lost probe"),
        (
            r#"{"event":"verdict-changed","path":"line","from":"up","to":"down","cause":"fell","grounds":{"vantage":"line","inARow":3,"lastFailure":"connection refused","loss":{"lost":3,"of":40}}}"#.to_owned(),
            "line: up -> down, fell: connection refused (line), 3 in a row, 3 of 40 lost",
        ),
        (
            r#"{"event":"held","on":"public","wanted":"line","by":"damping","until":"2026-01-01T00:30:00Z"}"#.to_owned(),
            "stays on public: damping until 2026-01-01T00:30:00Z; line would be taken",
        ),
        (r#"{"event":"ramped","path":"line","percent":25}"#.to_owned(), "line takes 25%"),
        (r#"{"event":"suspected","down":5,"of":8}"#.to_owned(), "5 of 8 clusters lost their path: no path is switched"),
        (
            json!({"event": "order-ended", "order": order(), "because": "expired"}).to_string(),
            "order 17 is expired: drain a/line until 2026-01-01T02:00:00Z, by uid 0: works",
        ),
        (r#"{"event":"gap","missed":7}"#.to_owned(), "7 events are no longer kept"),
    ];
    for (data, wanted) in table {
        let kind = serde_json::from_str::<Value>(&data).unwrap()["event"]
            .as_str()
            .unwrap()
            .to_owned();
        let (address, asked) = hub_of(vec![events(&format!("event: {kind}\ndata: {data}\n\n"))]).await;
        let shown = hubline(&["events", "--last", "5", "--hub", &address]).await.unwrap();
        assert!(shown.ends_with(&format!("{kind}  {wanted}\n")), "{shown}");
        assert!(asked.await.unwrap()[0].starts_with("GET /v1/events?follow=false&last=5 "));
    }
}

#[tokio::test]
async fn following_goes_on_where_it_stopped() {
    crate::tls::install_provider();
    let gone = answer(503, "application/json", r#"{"reason":"the hub ends"}"#);
    let (address, asked) = hub_of(vec![
        events("id: r-4\n: events follow\n\n"),
        gone,
        events(&format!(
            "id: r-5\nevent: switched\ndata: {SWITCHED}\n\nid: r-6\nevent: cut"
        )),
        events(&format!("id: q-1\nevent: switched\ndata: {SWITCHED}\n\n")),
        answer(400, "application/json", r#"{"reason":"enough","allowed":[]}"#),
    ])
    .await;
    let given = [
        "hubline", "events", "-f", "-o", "json", "--last", "0", "--hub", &address,
    ];
    let cli = Cli::try_parse_from(given).unwrap();
    let mut output = Vec::new();
    let error = run(cli, table::Style::Plain, &mut output).await.unwrap_err();
    assert!(error.to_string().contains("enough"), "{error}");
    assert_eq!(String::from_utf8(output).unwrap(), format!("{SWITCHED}\n{SWITCHED}\n"));
    let asked: Vec<_> = asked.await.unwrap();
    let lines: Vec<_> = asked.iter().map(|text| text.split(' ').nth(1).unwrap()).collect();
    let path = |place: &str| format!("/v1/events?follow=true{place}");
    let wanted = ["", "&after=r-4", "&after=r-4", "&after=r-5", "&after=q-1"].map(path);
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn a_hub_that_was_never_there_is_not_followed() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = hubline(&["events", "--follow", "--hub", &format!("http://{closed}")])
        .await
        .unwrap_err();
    assert_eq!(error.code(), 3);
}
