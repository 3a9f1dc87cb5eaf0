//! What to ask the hub, and the columns in which the answer is shown.

mod paths;

use std::io::{self, Write};

use serde_json::Value;

use super::table::{self, Style};
use super::{Filter, Output};

pub(super) use paths::{orders, paths, word};

/// A request, and how its answer is shown.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) path: String,
    pub(super) parameters: Vec<(&'static str, String)>,
    columns: &'static [Column],
    /// What becomes a row each.
    rows: fn(&Value) -> Vec<Value>,
}

/// A column: its header, where it stands, and how it becomes a text.
#[derive(Debug)]
struct Column {
    header: &'static str,
    shown: Shown,
    cell: fn(&Value) -> String,
}

/// In which tables a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    Wide,
}

const fn always(header: &'static str, cell: fn(&Value) -> String) -> Column {
    Column {
        header,
        shown: Shown::Always,
        cell,
    }
}

const fn wide(header: &'static str, cell: fn(&Value) -> String) -> Column {
    Column {
        header,
        shown: Shown::Wide,
        cell,
    }
}

const CLUSTERS: &[Column] = &[
    always("NAME", |item| text(&item["name"])),
    always("PHASE", |item| text(&item["phase"])),
    always("ROUTES", |item| count(&item["resources"]["Route"])),
    always("SERVICES", |item| count(&item["resources"]["Service"])),
    always("PROBLEMS", |item| text(&item["problems"])),
    always("LAST SEEN", |item| moment(&item["lastSeen"])),
    wide("REVISION", |item| text(&item["revision"])),
    wide("CONFIGURED", |item| text(&item["configured"])),
    wide("UID", |item| text(&item["uid"])),
    wide("AGENT", |item| text(&item["instance"])),
    wide("CERTIFICATE ENDS", |item| moment(&item["certificate"]["notAfter"])),
    wide("NOT LISTED", |item| {
        each(&item["unknown"], |group| text(&group["source"]))
    }),
];

const ROUTES: &[Column] = &[
    always("CLUSTER", |item| text(&item["cluster"])),
    always("NAMESPACE", |item| text(&item["namespace"])),
    always("NAME", |item| text(&item["name"])),
    always("HOSTS", |item| if_none(each(&item["hosts"], text), "*")),
    always("PATHS", |item| each(&item["paths"], path)),
    always("BACKENDS", |item| each(&item["backends"], backend)),
    always("STATE", state),
    wide("SOURCE", |item| text(&item["source"])),
    wide("METHODS", |item| each(&item["methods"], text)),
    wide("PLUGINS", |item| each(&item["plugins"], text)),
    wide("CREATED", |item| moment(&item["created"])),
    wide("OBJECTS", |item| each(&item["objects"], text)),
    wide("PROBLEMS", |item| {
        each(&item["problems"], |problem| text(&problem["message"]))
    }),
];

const SERVICES: &[Column] = &[
    always("CLUSTER", |item| text(&item["cluster"])),
    always("NAMESPACE", |item| text(&item["namespace"])),
    always("NAME", |item| text(&item["name"])),
    always("PORT", |item| {
        if_none(text(&item["port"]["number"]), &text(&item["port"]["name"]))
    }),
    always("READY", |item| format!("{}/{}", text(&item["ready"]), endpoints(item))),
    always("STATE", state),
    wide("SCHEME", |item| text(&item["scheme"])),
    wide("EXTERNAL NAME", |item| text(&item["externalName"])),
    wide("UNRESOLVED", |item| text(&item["unresolved"]["message"])),
    wide("OBJECTS", |item| each(&item["objects"], text)),
    wide("PROBLEMS", |item| {
        each(&item["problems"], |problem| text(&problem["message"]))
    }),
];

const DESIRED: &[Column] = &[
    always("KIND", |item| text(&item["kind"])),
    always("ID", |item| text(&item["id"])),
    always("STATE", |item| text(&item["state"])),
    always("CAUSES", |item| each(&item["causes"], cause)),
    wide("HASH", |item| text(&item["hash"])),
    wide("REFERENCES", |item| each(&item["references"], text)),
    wide("MESSAGE", |item| text(&item["message"])),
];

const PROBLEMS: &[Column] = &[
    always("CLUSTER", |item| text(&item["cluster"])),
    always("OBJECT", object),
    always("KIND", |item| text(&item["kind"])),
    always("REASON", |item| text(&item["reason"])),
    always("MESSAGE", |item| text(&item["message"])),
    wide("SEVERITY", |item| text(&item["severity"])),
    wide("FIELD", |item| text(&item["field"])),
];

const WRITES: &[Column] = &[
    always("AT", |item| moment(&item["at"])),
    always("OPERATION", |item| text(&item["operation"])),
    always("OBJECT", |item| text(&item["object"])),
    always("STATUS", |item| text(&item["status"])),
    always("CAUSES", |item| each(&item["causes"], cause)),
    always("ERROR", |item| text(&item["error"])),
    wide("MILLISECONDS", |item| text(&item["milliseconds"])),
];

pub(super) fn clusters(name: Option<String>) -> Query {
    let path = match name {
        Some(name) => format!("/v1/clusters/{name}"),
        None => "/v1/clusters".to_owned(),
    };
    Query {
        path,
        parameters: Vec::new(),
        columns: CLUSTERS,
        rows: items,
    }
}

pub(super) fn routes(filter: Filter, host: Option<String>) -> Query {
    query("/v1/routes", filter, [("host", host)], ROUTES)
}

pub(super) fn services(filter: Filter, name: Option<String>) -> Query {
    query("/v1/services", filter, [("name", name)], SERVICES)
}

pub(super) fn desired(filter: Filter, kind: Option<String>) -> Query {
    query("/v1/desired", filter, [("kind", kind)], DESIRED)
}

pub(super) fn problems(filter: Filter) -> Query {
    query("/v1/problems", filter, [], PROBLEMS)
}

pub(super) fn writes(limit: u32) -> Query {
    let limit = ("limit", Some(limit.to_string()));
    query("/v1/writes", Filter::default(), [limit], WRITES)
}

fn query<const N: usize>(
    path: &str,
    filter: Filter,
    more: [(&'static str, Option<String>); N],
    columns: &'static [Column],
) -> Query {
    let filters = [("cluster", filter.cluster), ("namespace", filter.namespace)];
    let given = filters.into_iter().chain(more);
    Query {
        path: path.to_owned(),
        parameters: given.filter_map(|(name, value)| Some((name, value?))).collect(),
        columns,
        rows: items,
    }
}

/// Writes an answer in the form that was asked for.
pub(super) fn print(
    query: &Query,
    answer: &Value,
    output: Output,
    style: Style,
    out: &mut impl Write,
) -> io::Result<()> {
    if output == Output::Json {
        return writeln!(out, "{answer:#}");
    }
    let columns: Vec<_> = query.columns.iter().filter(|column| shown(column, output)).collect();
    let header: Vec<_> = columns.iter().map(|column| column.header).collect();
    let row = |item: &Value| columns.iter().map(|column| (column.cell)(item)).collect();
    let rows: Vec<_> = (query.rows)(answer).iter().map(row).collect();
    if rows.is_empty() && style == Style::Terminal {
        return writeln!(out, "none");
    }
    out.write_all(table::render(style, &header, rows).as_bytes())
}

/// A single object is shown as a list of one.
fn items(answer: &Value) -> Vec<Value> {
    match answer["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![answer.clone()],
    }
}

fn shown(column: &Column, output: Output) -> bool {
    column.shown == Shown::Always || output == Output::Wide
}

/// A value as a cell; nothing for null.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn count(value: &Value) -> String {
    if_none(text(value), "0")
}

fn if_none(text: String, instead: &str) -> String {
    if text.is_empty() { instead.to_owned() } else { text }
}

fn each(list: &Value, cell: fn(&Value) -> String) -> String {
    let mut cells = Vec::new();
    for item in list.as_array().into_iter().flatten() {
        let text = cell(item);
        // A Service causes an upstream twice: by its ports and by its endpoints.
        if !cells.contains(&text) {
            cells.push(text);
        }
    }
    cells.join(",")
}

/// A time to the second.
pub(super) fn moment(time: &Value) -> String {
    let text = text(time);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

/// What became of it at APISIX, and which kinds of problems it has: `NotPlanned,Conflict`.
fn state(item: &Value) -> String {
    let kinds = each(&item["problems"], |problem| text(&problem["kind"]));
    let parts = [text(&item["state"]), kinds];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(",")
}

/// A prefix stands as it is, an exact path after `=`, a regular expression after `~`.
fn path(path: &Value) -> String {
    let value = text(&path["value"]);
    match path["type"].as_str() {
        Some("Exact") => format!("={value}"),
        Some("Regex") => format!("~{value}"),
        _ => value,
    }
}

fn backend(backend: &Value) -> String {
    match backend["weight"].as_u64() {
        Some(1) | None => text(&backend["service"]),
        Some(weight) => format!("{}:{weight}", text(&backend["service"])),
    }
}

fn endpoints(item: &Value) -> u64 {
    let states = ["ready", "draining", "notReady"];
    states.iter().filter_map(|state| item[*state].as_u64()).sum()
}

fn cause(cause: &Value) -> String {
    format!("{}:{}", text(&cause["cluster"]), object(cause))
}

/// `Ingress shop/web`, without the API group.
fn object(item: &Value) -> String {
    let source = text(&item["source"]);
    let kind = source.split('.').next().unwrap_or_default();
    let (namespace, name) = (text(&item["namespace"]), text(&item["name"]));
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}
