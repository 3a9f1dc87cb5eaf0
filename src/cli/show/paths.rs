//! The columns of paths and orders.

use serde_json::{Value, json};

use super::{Column, Query, always, moment, text, wide};

/// Of rows that have a `cluster` and one of its paths as `path`.
const PATHS: &[Column] = &[
    always("CLUSTER", |row| text(&row["cluster"]["cluster"])),
    always("PATH", |row| text(&row["path"]["name"])),
    always("KIND", |row| text(&row["path"]["kind"])),
    always("RANK", |row| text(&row["path"]["rank"])),
    always("VERDICT", verdict),
    always("ACTIVE", active),
    always("RTT", round_trip),
    always("LOSS", loss),
    always("SINCE", |row| moment(&row["path"]["since"])),
    always("HELD", held),
    always("CARRIER", carrier),
    wide("CAUSE", |row| text(&row["path"]["cause"])),
    wide("LAST FAILURE", failure),
    wide("DOWN FROM", down_from),
    wide("ACTIVE BECAUSE", |row| {
        of_active(row, |cluster| word(&cluster["reason"]))
    }),
    wide("ACTIVE SINCE", |row| {
        of_active(row, |cluster| moment(&cluster["since"]))
    }),
    wide("SWITCHES/H", |row| {
        of_active(row, |cluster| text(&cluster["switchesWithinAnHour"]))
    }),
    wide("PENALTY", |row| of_active(row, |cluster| text(&cluster["penalty"]))),
    wide("WHY", |row| of_active(row, |cluster| text(&cluster["carrier"]["why"]))),
];

const ORDERS: &[Column] = &[
    always("ID", |item| text(&item["id"])),
    always("KIND", |item| text(&item["kind"])),
    always("CLUSTER", |item| text(&item["cluster"])),
    always("PATH", |item| text(&item["path"])),
    always("UNTIL", |item| moment(&item["until"])),
    always("WHO", |item| text(&item["who"])),
    always("WHY", |item| text(&item["why"])),
    wide("SINCE", |item| moment(&item["since"])),
    wide("FORCE", |item| text(&item["force"])),
];

pub(in crate::cli) fn paths(cluster: Option<String>) -> Query {
    Query {
        path: cluster.map_or_else(|| "/v1/paths".to_owned(), |name| format!("/v1/paths/{name}")),
        parameters: Vec::new(),
        columns: PATHS,
        rows: rows_of_paths,
    }
}

pub(in crate::cli) fn orders() -> Query {
    Query {
        path: "/v1/orders".to_owned(),
        parameters: Vec::new(),
        columns: ORDERS,
        rows: super::items,
    }
}

/// A row for each path of each cluster.
fn rows_of_paths(answer: &Value) -> Vec<Value> {
    let clusters = super::items(answer);
    let rows = clusters.iter().flat_map(|cluster| {
        let paths = cluster["paths"].as_array().into_iter().flatten();
        paths.map(move |path| json!({"cluster": cluster, "path": path}))
    });
    rows.collect()
}

fn is_active(row: &Value) -> bool {
    row["cluster"]["active"] == row["path"]["name"]
}

/// What is said of the whole cluster stands at its active path.
fn of_active(row: &Value, cell: fn(&Value) -> String) -> String {
    if is_active(row) {
        cell(&row["cluster"])
    } else {
        String::new()
    }
}

/// `up`, and `up?` while no probe of this run of the hub agreed.
fn verdict(row: &Value) -> String {
    let mark = if row["path"]["verified"] == false { "?" } else { "" };
    format!("{}{mark}", text(&row["path"]["verdict"]))
}

/// `yes`, or a share while traffic moves in steps.
fn active(row: &Value) -> String {
    let name = row["path"]["name"].as_str().unwrap_or_default();
    match row["cluster"]["weights"].get(name) {
        Some(share) => format!("{}%", text(share)),
        None if is_active(row) => "yes".to_owned(),
        None => String::new(),
    }
}

fn round_trip(row: &Value) -> String {
    let milliseconds = row["path"]["roundTripMilliseconds"].as_f64();
    milliseconds.map_or_else(String::new, |trip| format!("{trip:.1}ms"))
}

/// `3/120`: so many of so many probes within the window.
fn loss(row: &Value) -> String {
    let loss = &row["path"]["loss"];
    match loss["of"].as_u64() {
        None | Some(0) => String::new(),
        Some(of) => format!("{}/{of}", text(&loss["lost"])),
    }
}

/// What keeps the cluster where it is, at its active path; orders, each at what it is about.
fn held(row: &Value) -> String {
    let mut parts = Vec::new();
    let held = &row["cluster"]["held"];
    if is_active(row) && !held.is_null() {
        let until = moment(&held["until"]);
        let until = if until.is_empty() {
            until
        } else {
            format!(" until {until}")
        };
        parts.push(format!("{}{until}", word(&held["by"])));
    }
    for order in row["cluster"]["orders"].as_array().into_iter().flatten() {
        let of_path = order["path"] == row["path"]["name"];
        if of_path || (order["path"].is_null() && is_active(row)) {
            parts.push(format!("{}#{}", text(&order["kind"]), text(&order["id"])));
        }
    }
    parts.join(",")
}

/// `diversion 100%`, at the active path.
fn carrier(row: &Value) -> String {
    of_active(row, |cluster| {
        let carrier = &cluster["carrier"];
        match carrier["percent"].as_u64() {
            Some(percent) => format!("{} {percent}%", text(&carrier["by"])),
            None => text(&carrier["by"]),
        }
    })
}

fn failure(row: &Value) -> String {
    let failure = &row["path"]["lastFailure"];
    if failure.is_null() {
        return String::new();
    }
    let (what, vantage) = (text(&failure["failure"]), text(&failure["vantage"]));
    format!("{what} ({vantage}, {})", moment(&failure["at"]))
}

fn down_from(row: &Value) -> String {
    let vantages = row["path"]["vantages"].as_array().into_iter().flatten();
    let down = vantages.filter(|vantage| vantage["down"] == true);
    down.map(|vantage| text(&vantage["vantage"]))
        .collect::<Vec<_>>()
        .join(",")
}

/// A word, or one with what it is about: `{"switched": "down"}` is `switched:down`.
pub(in crate::cli) fn word(value: &Value) -> String {
    match value.as_object().and_then(|parts| parts.iter().next()) {
        Some((name, about)) => format!("{name}:{}", word(about)),
        None => text(value),
    }
}
