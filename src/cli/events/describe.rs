//! An event as a line for people.

use serde_json::Value;

use crate::cli::path::described;
use crate::cli::show::{moment, text, word};
use crate::cli::table::clean;

/// `2026-01-01T00:00:00Z  room-a  switched  line -> public: down, 812 ms after the first lost probe`
pub(super) fn line(event: &str, record: &Value) -> String {
    let cells = [
        moment(&record["at"]),
        text(&record["cluster"]),
        event.to_owned(),
        what(event, record),
    ];
    cells.map(|cell| clean(&cell)).join("  ")
}

fn what(event: &str, record: &Value) -> String {
    let of = |name: &str| text(&record[name]);
    match event {
        "verdict-changed" => verdict(record),
        "switched" => format!("{} -> {}: {}{}", of("from"), of("to"), of("why"), latency(record)),
        "held" => held(record),
        "ramped" => format!("{} takes {}%", of("path"), of("percent")),
        "suspected" => format!(
            "{} of {} clusters lost their path: no path is switched",
            of("down"),
            of("of")
        ),
        "trusted" => format!(
            "{} of {} clusters lost their path: paths are switched again",
            of("down"),
            of("of")
        ),
        "order-made" => format!(
            "order {}: {}",
            text(&record["order"]["id"]),
            described(&record["order"])
        ),
        "order-ended" => {
            let order = &record["order"];
            format!(
                "order {} is {}: {}",
                text(&order["id"]),
                of("because"),
                described(order)
            )
        }
        "gap" => format!("{} events are no longer kept", of("missed")),
        _ => record.to_string(),
    }
}

/// `line: up -> down, fell: no answer in time (line), 3 in a row, 3 of 40 lost`
fn verdict(record: &Value) -> String {
    let of = |name: &str| text(&record[name]);
    let grounds = &record["grounds"];
    let mut line = format!("{}: {} -> {}, {}", of("path"), of("from"), of("to"), of("cause"));
    if record["to"] != "up" && !grounds["lastFailure"].is_null() {
        line += &format!(": {} ({})", text(&grounds["lastFailure"]), text(&grounds["vantage"]));
    }
    let (row, loss) = (text(&grounds["inARow"]), &grounds["loss"]);
    line + &format!(
        ", {row} in a row, {} of {} lost",
        text(&loss["lost"]),
        text(&loss["of"])
    )
}

fn latency(record: &Value) -> String {
    let milliseconds = record["sinceFirstBadMilliseconds"].as_f64();
    milliseconds.map_or_else(String::new, |time| format!(", {time:.0} ms after the first lost probe"))
}

fn held(record: &Value) -> String {
    let wanted = match record["wanted"].as_str() {
        Some(path) => format!("{path} would be taken"),
        None => "no path works".to_owned(),
    };
    let until = moment(&record["until"]);
    let until = if until.is_empty() {
        until
    } else {
        format!(" until {until}")
    };
    format!(
        "stays on {}: {}{until}; {wanted}",
        text(&record["on"]),
        word(&record["by"])
    )
}
