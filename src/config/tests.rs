use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;
use crate::model::{ClusterId, SecretText};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Example {
    name: String,
    data_dir: PathBuf,
    #[serde(with = "duration")]
    timeout: Duration,
    retries: u8,
    verbose: bool,
    listen: Listen,
    clusters: Vec<Cluster>,
    limits: BTreeMap<String, u32>,
    key: Option<SecretText>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Listen {
    agents: String,
    api_address: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Cluster {
    name: ClusterId,
    #[serde(default)]
    weight: Option<u32>,
}

fn defaults() -> Example {
    Example {
        name: "hub".to_owned(),
        data_dir: "/var/lib/x".into(),
        timeout: Duration::from_secs(30),
        retries: 3,
        verbose: false,
        listen: Listen {
            agents: "0.0.0.0:8443".to_owned(),
            api_address: "unix:/run/x".to_owned(),
        },
        clusters: Vec::new(),
        limits: BTreeMap::new(),
        key: None,
    }
}

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    pairs.into_iter()
}

fn load_text(yaml: &str, variables: &[(&str, &str)], flags: Vec<(String, Value)>) -> Result<Example, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x.yaml");
    std::fs::write(&file, yaml).unwrap();
    load_from(&defaults(), Some(&file), "X__", environment(variables), flags)
}

#[test]
fn nothing_set_gives_the_defaults() {
    assert_eq!(load_text("", &[], Vec::new()).unwrap(), defaults());
    assert_eq!(load_text("# a comment\n", &[], Vec::new()).unwrap(), defaults());
    let nothing = load_from(&defaults(), None, "X__", environment(&[]), Vec::new());
    assert_eq!(nothing.unwrap(), defaults());
}

#[test]
fn file_then_environment_then_flags() {
    let yaml = "name: file\nretries: 4\ntimeout: 250ms\nlisten:\n  agents: file:1\nclusters:\n- name: a\n- {name: b, weight: 2}\n";
    let variables = [
        ("X__NAME", "environment"),
        ("X__DATA_DIR", "/e"),
        ("X__LISTEN__API_ADDRESS", "unix:/e"),
        ("X__RETRIES", "5"),
        ("X__VERBOSE", "true"),
        ("X__KEY", "12345"),
        ("X_SERVICE_HOST", "10.0.0.1"),
        ("OTHER", "x"),
    ];
    let flags = vec![
        ("name".to_owned(), json!("flag")),
        ("listen.agents".to_owned(), json!("flag:1")),
    ];
    let loaded = load_text(yaml, &variables, flags).unwrap();
    assert_eq!(loaded.name, "flag");
    assert_eq!(loaded.data_dir, PathBuf::from("/e"));
    assert_eq!((loaded.retries, loaded.verbose), (5, true));
    assert_eq!(loaded.timeout, Duration::from_millis(250));
    assert_eq!(
        (loaded.listen.agents.as_str(), loaded.listen.api_address.as_str()),
        ("flag:1", "unix:/e")
    );
    assert_eq!(loaded.clusters.len(), 2);
    assert_eq!(loaded.clusters[1].weight, Some(2));
    assert_eq!(loaded.key, Some(SecretText::new("12345".to_owned())));
}

#[test]
fn lists_and_mappings_come_from_the_environment_as_yaml() {
    let variables = [("X__CLUSTERS", "[{name: c}]"), ("X__LIMITS", "{a: 1}")];
    let loaded = load_text("clusters: [{name: a}, {name: b}]", &variables, Vec::new()).unwrap();
    assert_eq!(loaded.clusters.len(), 1);
    assert_eq!(loaded.limits["a"], 1);
}

/// A YAML text, the environment, and what the message must say.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// Whatever is wrong: the message names the key, where it was set, and what is allowed.
#[test]
fn errors_name_key_origin_and_what_is_allowed() {
    let table: [Wrong; 14] = [
        (
            "name: a\ndataDri: /x\n",
            &[],
            &["x.yaml:2: unknown key dataDri", "did you mean dataDir?", "listen"],
        ),
        (
            "listen:\n  agents: a\n  api-address: b\n",
            &[],
            &["x.yaml:3: unknown key listen.api-address", "did you mean apiAddress?"],
        ),
        (
            "clusters:\n- name: a\n- name: b\n  wieght: 1\n",
            &[],
            &["x.yaml:4: unknown key clusters.1.wieght", "did you mean weight?"],
        ),
        (
            "zzz: 1\n",
            &[],
            &["x.yaml:1: unknown key zzz; allowed here: name, dataDir"],
        ),
        (
            "",
            &[("X__LISTEN__AGNETS", "a")],
            &["environment variable X__LISTEN__AGNETS: unknown key listen.agnets, did you mean agents?"],
        ),
        (
            "name: a\nretries: many\n",
            &[],
            &["x.yaml:2: retries: found a text, allowed: a whole number from 0 to 255"],
        ),
        (
            "retries: 300\n",
            &[],
            &["x.yaml:1: retries", "a whole number from 0 to 255"],
        ),
        ("\nname: [a]\n", &[], &["x.yaml:2: name: found a list, allowed: a text"]),
        (
            "",
            &[("X__RETRIES", "lots")],
            &["environment variable X__RETRIES: retries: found a text"],
        ),
        (
            "timeout: 30\n",
            &[],
            &["x.yaml:1: timeout: found a number, allowed: a duration"],
        ),
        (
            "timeout: 30 parsecs\n",
            &[],
            &["x.yaml:1: timeout", "one of the units ms, s, m, h"],
        ),
        (
            "clusters:\n- weight: 1\n",
            &[],
            &["x.yaml:2: clusters.0.name is missing"],
        ),
        (
            "clusters:\n- name: Bad_Name\n",
            &[],
            &["x.yaml:2: clusters.0.name", "DNS-1123"],
        ),
        (
            "listen: here\n",
            &[],
            &["x.yaml:1: listen: found a text, allowed: a mapping"],
        ),
    ];
    for (yaml, variables, parts) in table {
        let error = load_text(yaml, variables, Vec::new()).unwrap_err().to_string();
        for part in parts {
            assert!(
                error.contains(part),
                "{yaml}{variables:?} gives {error:?}, which lacks {part:?}"
            );
        }
    }
}

#[test]
fn a_wrong_flag_is_named() {
    let error = load_text("retries: 1", &[], vec![("retries".to_owned(), json!("x"))]).unwrap_err();
    assert!(
        error.to_string().starts_with("flag for retries: retries: found a text"),
        "{error}"
    );
}

/// The unknown key is a part of what was set: the file, which lacks it, is not to blame.
#[test]
fn a_wrong_parent_is_blamed_on_who_set_it() {
    let flags = vec![("litsen.agents".to_owned(), json!("a"))];
    let error = load_text("retries: 1", &[], flags).unwrap_err().to_string();
    assert!(
        error.starts_with("flag for litsen.agents: unknown key litsen, did you mean listen?"),
        "{error}"
    );
    let variables = [("X__LITSEN__AGENTS", "a")];
    let error = load_text("retries: 1", &variables, Vec::new()).unwrap_err().to_string();
    assert!(
        error.starts_with("environment variable X__LITSEN__AGENTS: unknown key litsen"),
        "{error}"
    );
    let error = load_text("litsen: {agents: b}", &variables, Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("x.yaml:1: unknown key litsen"), "{error}");
}

#[test]
fn what_is_no_yaml_is_named_with_its_line_and_not_quoted() {
    let error = load_text("name: a\nkey: hunter2: [\n", &[], Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("x.yaml:2: not YAML:"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let error = load_text("- a\n", &[], Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no mapping"), "{error}");
    let error = load_text("name: a\nname: b\n", &[], Vec::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("x.yaml:2"), "{error}");
    let error = load_text("", &[("X__CLUSTERS", "[hunter2")], Vec::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("environment variable X__CLUSTERS") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let nowhere = PathBuf::from("/nowhere/x.yaml");
    let error = load_from(&defaults(), Some(&nowhere), "X__", environment(&[]), Vec::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("configuration file /nowhere/x.yaml: No such file"),
        "{error}"
    );
}

#[test]
fn values_stay_out_of_errors() {
    for yaml in [
        "retries: hunter2\n",
        "listen: hunter2\n",
        "key: [hunter2]\n",
        "key: {hunter2: hunter2}\n",
    ] {
        let error = load_text(yaml, &[], Vec::new()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_text_alone_is_checked_too() {
    assert_eq!(parse(&defaults(), "new.yaml", "retries: 9").unwrap().retries, 9);
    let error = parse(&defaults(), "new.yaml", "retires: 9").unwrap_err().to_string();
    assert!(
        error.starts_with("new.yaml:1: unknown key retires, did you mean retries?"),
        "{error}"
    );
}

#[test]
fn durations_are_read_and_written() {
    for (text, millis) in [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1.5s", 1_500),
        ("0s", 0),
    ] {
        assert_eq!(duration::parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        let written = duration::format(Duration::from_millis(millis));
        assert_eq!(
            duration::parse(&written).unwrap(),
            Duration::from_millis(millis),
            "{written}"
        );
    }
    for text in [
        "",
        "5",
        "s",
        "-1s",
        "1 s",
        "1d",
        "1e3s",
        "infs",
        "NaNs",
        "1..5s",
        "99999999h",
    ] {
        assert!(duration::parse(text).is_err(), "{text}");
    }
    assert_eq!(duration::format(Duration::from_secs(90)), "90s");
}
