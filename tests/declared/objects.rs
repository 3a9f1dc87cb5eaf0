//! Golden pairs: `agent/golden/translate/NAME.in.yaml` (manifests; of annotations without `annotation-`) and
//! `golden/NAME.txt` (objects of APISIX, one a line, then what agent and hub say). `HUBLINE_GOLDEN=write` rewrites the
//! latter.

use std::path::Path;

use hubline_sandbox::apisix::{StandIn, StandInOptions};
use serde_json::Value;

use super::input::inputs;
use super::odd;
use super::{Planned, body, manifests, planned};

/// Fields that say the same of every object.
const EVERYWHERE: [&str; 2] = ["labels", "name"];

fn shown(planned: &Planned) -> String {
    let mut text = String::new();
    for object in &planned.objects {
        let mut body = body(object);
        for field in EVERYWHERE {
            body.as_object_mut().unwrap().remove(field);
        }
        text.push_str(&format!("{} {body}\n", object.id.kind.collection()));
    }
    let said = planned.diagnostics.iter().map(|said| ("agent", said));
    for (who, what) in said.chain(planned.problems.iter().map(|said| ("hub", said))) {
        text.push_str(&format!("# {who}: {what}\n"));
    }
    text
}

#[test]
fn objects_are_those_of_the_golden_files() {
    let write = std::env::var("HUBLINE_GOLDEN").is_ok_and(|mode| mode == "write");
    for input in inputs() {
        let (name, actual) = (&input.name, shown(&input.planned()));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("declared/golden/{name}.txt"));
        if write {
            std::fs::write(&file, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            expected == actual,
            "{} differs (HUBLINE_GOLDEN=write rewrites it); now it is:\n{actual}",
            file.display()
        );
    }
}

/// What is in the file for a route of one host.
fn route<'a>(bodies: &'a [Value], host: &str) -> &'a Value {
    let is_its = |body: &&Value| body["hosts"] == serde_json::json!([host]);
    bodies.iter().find(is_its).unwrap()
}

/// Plugins that the APISIX of the reference has not enabled, so that neither the stand-in nor the schema knows them.
pub(super) const NOT_ENABLED: [&str; 2] = ["ldap-auth", "wolf-rbac"];

async fn all_are_taken(planned: &Planned) {
    let stand_in = StandIn::start(StandInOptions::default()).await.unwrap();
    let admin = stand_in.admin().unwrap();
    for object in &planned.objects {
        let body = body(object);
        if NOT_ENABLED.iter().any(|name| body["plugins"].get(name).is_some()) {
            continue;
        }
        let answer = admin.put(&object.id.to_string(), &body).await.unwrap();
        assert_eq!(answer.status, 201, "{body}: {}", answer.body);
    }
    stand_in.shutdown().await;
}

/// The stand-in refuses what does not fit the distilled contract.
#[tokio::test]
async fn apisix_takes_every_golden_object() {
    for input in inputs() {
        all_are_taken(&input.planned()).await;
    }
}

/// Every annotation that there is, with values for others: whatever is written, what comes out is taken, the hub
/// has nothing to refuse, and who wrote something into an annotation that guards is never without a guard.
pub(super) fn jumble() -> String {
    const VALUES: [&str; 22] = [
        "true",
        "false",
        "True",
        "0",
        "-1",
        "308",
        "200",
        "5s",
        "10.0.0.0/8, ::1",
        "10.0.0.0/33",
        "GET, post",
        ",",
        "a b",
        "https",
        "https://a.example.com/x",
        "/new/$1",
        "^/(a|b)+(?=c)",
        "/(",
        "keyAuth",
        "X-A:1,X-B: 2",
        "X:a/",
        "ä\u{7f}\n",
    ];
    let names: Vec<&str> = NAMES.split_whitespace().collect();
    let mut ingresses = Vec::new();
    for (at, name) in names.iter().enumerate() {
        for (number, value) in VALUES.iter().enumerate() {
            let switches = ["enable-cors", "enable-csrf", "enable-response-rewrite"].map(|name| (name, "true"));
            let others = [
                ("csrf-key", "k"),
                ("auth-uri", "http://auth.example.com/"),
                ("http-redirect", "/elsewhere"),
                ("rewrite-target-regex", "^/(.*)"),
                ("rewrite-target-regex-template", "/$1"),
            ];
            let beside = switches.into_iter().chain(others).filter(|(other, _)| other != name);
            let beside = beside.map(|(name, value)| (name, value.to_owned()));
            let mut annotations: Vec<_> = beside.collect();
            annotations.push((name, (*value).to_owned()));
            ingresses.push((format!("i{at}-{number}"), annotations));
        }
    }
    manifests(&ingresses, "/a.*", "ImplementationSpecific")
}

const NAMES: &str = "allowlist-source-range auth-client-headers auth-request-headers auth-ssl-verify auth-type
    auth-upstream-headers auth-uri blocklist-source-range cors-allow-headers cors-allow-methods cors-allow-origin
    csrf-key enable-cors enable-csrf enable-response-rewrite enable-websocket http-allow-methods http-block-method
    http-block-methods http-redirect http-redirect-code http-to-https plugin-config-name response-rewrite-add-header
    response-rewrite-body response-rewrite-body-base64 response-rewrite-remove-header response-rewrite-set-header
    response-rewrite-status-code rewrite-target rewrite-target-regex rewrite-target-regex-template svc-namespace
    upstream-connect-timeout upstream-read-timeout upstream-retries upstream-scheme upstream-send-timeout use-regex";

#[tokio::test]
async fn whatever_is_written_apisix_takes_what_comes_of_it() {
    let planned = planned(&jumble(), false);
    assert!(planned.objects.len() > 800, "only {}", planned.objects.len());
    assert_eq!(planned.problems, Vec::<String>::new());
    all_are_taken(&planned).await;
}

/// The same of custom resources, of which many are refused by the agent: what is left the hub takes, and APISIX too.
#[tokio::test]
async fn whatever_stands_in_custom_resources_apisix_takes_what_comes_of_it() {
    let planned = planned(&odd::manifests(), false);
    assert!(planned.objects.len() > 1000, "only {}", planned.objects.len());
    let refused = planned
        .problems
        .iter()
        .filter(|problem| problem.starts_with("invalid-"));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&String>::new());
    all_are_taken(&planned).await;
}

/// A typo in what protects a path must not give it away to the wider route beside it.
#[test]
fn what_was_to_be_protected_is_never_open() {
    let allow = |range: &str| vec![("allowlist-source-range", range.to_owned())];
    let ingresses = [
        ("typo".to_owned(), allow("10.0.0.0/33")),
        ("right".to_owned(), allow("10.0.0.0/8")),
    ];
    let planned = planned(&manifests(&ingresses, "/admin", "Prefix"), false);
    let bodies: Vec<_> = planned.objects.iter().map(|object| body(object)).collect();
    let typo = route(&bodies, "typo.example.com");
    assert_eq!(
        typo["plugins"],
        serde_json::json!({"fault-injection": {"abort": {"http_status": 503}}})
    );
    assert!(typo.get("upstream_id").is_none() && typo["uris"] == serde_json::json!(["/admin", "/admin/*"]));
    let right = route(&bodies, "right.example.com");
    assert!(right["plugins"]["ip-restriction"].is_object() && right.get("upstream_id").is_some());
}
