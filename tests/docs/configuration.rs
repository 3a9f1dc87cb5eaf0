//! `docs/configuration.md` and the configurations of agent and hub.

use std::collections::{BTreeMap, BTreeSet};

use hubline_agent::config::AgentConfig;
use hubline_hub::config::HubConfig;
use serde::Serialize;
use serde_json::Value;

/// What the page says of one key.
struct Row {
    default: String,
    variable: String,
}

fn page() -> String {
    std::fs::read_to_string(super::root().join("docs/configuration.md")).unwrap()
}

/// The examples of `program`.
fn examples(page: &str, program: &str) -> Vec<String> {
    let fence = format!("```yaml {program}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The table of the section with this title, by key.
fn rows(page: &str, title: &str) -> BTreeMap<String, Row> {
    let section = page.split("\n## ").find(|section| section.starts_with(title)).unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let row = Row {
                default: cells[3].to_owned(),
                variable: cells[4].to_owned(),
            };
            (cells[1].trim_matches('`').to_owned(), row)
        })
        .collect()
}

/// All keys with their values; keys of the elements of a list under `list[]`.
fn keys(value: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                keys(value, &path, found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            found.insert(path.to_owned(), Value::Null);
            for item in items {
                keys(item, &format!("{path}[]"), found);
            }
        }
        value => drop(found.insert(path.to_owned(), value.clone())),
    }
}

fn keys_of(config: &impl Serialize) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    keys(&serde_json::to_value(config).unwrap(), "", &mut found);
    found
}

/// The page lists exactly the keys that the examples and the defaults have.
fn assert_complete(rows: &BTreeMap<String, Row>, configs: &[BTreeMap<String, Value>]) {
    let known: BTreeSet<_> = configs.iter().flat_map(BTreeMap::keys).collect();
    let listed: BTreeSet<_> = rows.keys().collect();
    assert_eq!(listed, known);
}

/// Each default that is a value stands on the page as it is in the code.
fn assert_defaults(rows: &BTreeMap<String, Row>, defaults: &BTreeMap<String, Value>) {
    for (key, value) in defaults {
        let texts: Vec<_> = match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items.iter().map(|item| item.as_str().unwrap().to_owned()).collect(),
            Value::Number(number) => vec![number.to_string()],
            _ => Vec::new(),
        };
        let shown = &rows[key].default;
        for text in texts.into_iter().filter(|text| !text.is_empty()) {
            assert!(shown.contains(&format!("`{text}`")), "{key}: {text} is not in {shown}");
        }
    }
}

/// What the column says is what the loader reads.
fn assert_variables(rows: &BTreeMap<String, Row>) {
    for (key, row) in rows {
        let mut name = String::new();
        for letter in key.chars() {
            match letter {
                '.' => name.push_str("__"),
                upper if upper.is_uppercase() => name.extend(['_', upper]),
                lower => name.push(lower.to_ascii_uppercase()),
            }
        }
        let wanted = if key.contains("[]") {
            "–".to_owned()
        } else {
            format!("`{name}`")
        };
        assert_eq!(row.variable, wanted, "{key}");
    }
}

/// A cluster of which only what must be set is set.
const LEAST: &str = "
target: {admin: {addresses: ['http://10.0.0.5:9180'], keyFile: key}}
clusters:
- name: a
  checks: {}
  paths:
  - {name: nodes, kind: private-line, rank: 0, reach: node-ports, nodePorts: {}}
  - {name: gateway, kind: public-network, rank: 1, reach: gateway, gateway: {addresses: ['203.0.113.7:80']}}
  - name: target
    kind: public-network
    rank: 2
    reach: pods
    targets: [{name: web, kind: http, address: '203.0.113.7:80', http: {}}]
";

/// As [`assert_defaults`], of what stands in lists.
fn assert_defaults_in_lists(rows: &BTreeMap<String, Row>, least: &BTreeMap<String, Value>) {
    let has_default = |key: &String| !rows[key].default.starts_with("must");
    let least = least.iter().filter(|(key, _)| key.contains("[]") && has_default(key));
    let least: BTreeMap<_, _> = least.map(|(key, value)| (key.clone(), value.clone())).collect();
    assert!(least.len() > 20, "only {least:?}");
    assert_defaults(rows, &least);
}

#[test]
fn the_page_has_every_key_of_the_agent() {
    let page = page();
    let rows = rows(&page, "Agent");
    let examples = examples(&page, "agent");
    assert_eq!(examples.len(), 2);
    let defaults = keys_of(&AgentConfig::default());
    let mut known = vec![defaults.clone()];
    for example in examples {
        known.push(keys_of(&AgentConfig::parse("example", &example).unwrap()));
    }
    assert_complete(&rows, &known);
    assert_defaults(&rows, &defaults);
    assert_variables(&rows);
}

#[test]
fn the_page_has_every_key_of_the_hub() {
    let page = page();
    let rows = rows(&page, "Hub");
    let examples = examples(&page, "hub");
    assert_eq!(examples.len(), 1);
    let example = HubConfig::parse("example", &examples[0]).unwrap();
    let defaults = keys_of(&HubConfig::default());
    assert_complete(&rows, &[defaults.clone(), keys_of(&example)]);
    assert_defaults(&rows, &defaults);
    let least = keys_of(&HubConfig::parse("least", LEAST).unwrap());
    assert_defaults_in_lists(&rows, &least);
    assert_variables(&rows);
}
