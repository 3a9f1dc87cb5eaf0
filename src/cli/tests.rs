mod paths;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tls::{Files, check_pair, client_tls, cluster_of_certificate, server_config};

/// Runs one command line; gives what it printed.
async fn hubline(arguments: &[&str]) -> Result<String, CliError> {
    crate::tls::install_provider();
    let arguments = std::iter::once("hubline").chain(arguments.iter().copied());
    output_of(arguments.map(OsString::from)).await
}

/// A hub that gives one answer over TCP; gives its address and, later, the request line.
async fn hub(status: u16, body: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = vec![0_u8; 4096];
        let length = socket.read(&mut request).await.unwrap();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let text = String::from_utf8_lossy(&request[..length]).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    });
    (address, served)
}

const ROUTES: &str = r#"{"version":1,"items":[
    {"cluster":"a","source":"Ingress.networking.k8s.io","namespace":"shop","name":"web","section":"x",
     "hosts":["a.example.com"],"paths":[{"type":"Prefix","value":"/"},{"type":"Exact","value":"/x"}],
     "methods":[],"backends":[{"service":"shop/web#80","weight":1}],"plugins":["key-auth"],"created":null,
     "state":"Programmed","objects":["routes/1"],"problems":[]},
    {"cluster":"a","namespace":"shop","name":"evil\u001b[31m","hosts":[],"paths":[],"backends":[],"state":"Pending"}]}"#;

#[tokio::test]
async fn routes_are_a_table() {
    let (address, asked) = hub(200, ROUTES).await;
    let shown = hubline(&[
        "routes",
        "--hub",
        &address,
        "--cluster",
        "a",
        "-n",
        "shop",
        "--host",
        "a.example.com",
    ])
    .await
    .unwrap();
    assert_eq!(
        asked.await.unwrap(),
        "GET /v1/routes?cluster=a&namespace=shop&host=a.example.com HTTP/1.1"
    );
    let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0],
        ["CLUSTER", "NAMESPACE", "NAME", "HOSTS", "PATHS", "BACKENDS", "STATE"]
    );
    assert_eq!(
        lines[1],
        [
            "a",
            "shop",
            "web",
            "a.example.com",
            "/,=/x",
            "shop/web#80",
            "Programmed"
        ]
    );
    assert_eq!(lines[2], ["a", "shop", "evil", "[31m", "*", "-", "-", "Pending"]);
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn wide_has_more_columns_and_json_is_the_apis() {
    let (address, _) = hub(200, ROUTES).await;
    let shown = hubline(&["routes", "--hub", &address, "-o", "wide"]).await.unwrap();
    assert!(shown.contains("PLUGINS") && shown.contains("key-auth"), "{shown}");
    let (address, _) = hub(200, ROUTES).await;
    let shown = hubline(&["routes", "--hub", &address, "-o", "json"]).await.unwrap();
    let (shown, sent): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(&shown).unwrap(),
        serde_json::from_str(ROUTES).unwrap(),
    );
    assert_eq!(shown, sent);
}

/// Command, path asked for, answer, and what a table must show of it.
type Shown = (
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[tokio::test]
async fn every_list_has_its_columns() {
    let table: [Shown; 6] = [
        (
            &["clusters"],
            "/v1/clusters",
            r#"{"items":[{"name":"a","phase":"Stale","resources":{"Route":3},"problems":2,"lastSeen":"2026-01-01T00:00:00.123456Z"}]}"#,
            &["PHASE", "Stale", "3", "2026-01-01T00:00:00Z"],
        ),
        (
            &["clusters", "--cluster", "a"],
            "/v1/clusters/a",
            r#"{"name":"a","phase":"Live","resources":{},"problems":0}"#,
            &["Live"],
        ),
        (
            &["services", "--name", "web"],
            "/v1/services?name=web",
            r#"{"items":[{"cluster":"a","namespace":"shop","name":"web","port":{"number":80},"ready":1,"draining":0,"notReady":2,"state":"NotPlanned","problems":[{"kind":"Unresolved"}]}]}"#,
            &["1/3", "80", "NotPlanned,Unresolved"],
        ),
        (
            &["desired", "--kind", "upstreams"],
            "/v1/desired?kind=upstreams",
            r#"{"items":[{"kind":"upstreams","id":"hl-1","state":"Programmed","causes":[{"cluster":"a","source":"Service","namespace":"shop","name":"web"},{"cluster":"a","source":"Service","namespace":"shop","name":"web"}]}]}"#,
            &["hl-1", " a:Service shop/web\n"],
        ),
        (
            &["problems"],
            "/v1/problems",
            r#"{"items":[{"cluster":"a","source":"Ingress.networking.k8s.io","namespace":"shop","name":"web","kind":"Conflict","reason":"HostClaimed","message":"it is taken"}]}"#,
            &["Ingress shop/web", "HostClaimed", "it is taken"],
        ),
        (
            &["writes", "--limit", "5"],
            "/v1/writes?limit=5",
            r#"{"items":[{"at":"t","operation":"put","object":"routes/1","status":201,"causes":[]}]}"#,
            &["routes/1", "201"],
        ),
    ];
    for (arguments, path, answer, parts) in table {
        let (address, asked) = hub(200, answer).await;
        let shown = hubline(&[arguments, &["--hub", &address]].concat()).await.unwrap();
        assert_eq!(asked.await.unwrap(), format!("GET {path} HTTP/1.1"));
        for part in parts {
            assert!(shown.contains(part), "{shown} lacks {part}");
        }
    }
}

#[tokio::test]
async fn a_hub_that_is_not_reached_is_explained() {
    let directory = TempDir::new().unwrap();
    let missing = format!("unix:{}", directory.path().join("none.sock").display());
    let dead = directory.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let dead = format!("unix:{}", dead.display());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closed = format!("http://{closed}");
    for (address, part) in [
        (&missing, "the socket is not there: is the hub running?"),
        (&dead, "nothing listens at the socket"),
        (&closed, "nothing listens there"),
    ] {
        let error = hubline(&["routes", "--hub", address]).await.unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.contains(part) && shown.contains(address.as_str()),
            "{shown} lacks {part}"
        );
        assert_eq!(error.code(), 3);
    }
}

#[tokio::test]
async fn refusals_show_what_is_allowed() {
    let answer = r#"{"error":"InvalidValue","reason":"parameter \"kind\" has the value \"x\"","allowed":["routes","upstreams"]}"#;
    let (address, _) = hub(400, answer).await;
    let error = hubline(&["desired", "--kind", "x", "--hub", &address])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("has the value \"x\"; allowed: routes, upstreams"),
        "{error}"
    );
    assert_eq!(error.code(), 1);
    let (address, _) = hub(200, "<html>").await;
    let error = hubline(&["desired", "--hub", &address]).await.unwrap_err();
    assert!(error.to_string().contains("but not as a hub does"), "{error}");
}

#[tokio::test]
async fn wrong_usage_has_its_code_and_help_has_none() {
    for arguments in [
        &["rutes"][..],
        &["routes", "-o", "xml"],
        &["routes", "--hub", "ftp://x"],
        &["certs", "agent"],
    ] {
        assert_eq!(hubline(arguments).await.unwrap_err().code(), 2, "{arguments:?}");
    }
    let error = hubline(&["routes", "--hub", "/run/x"]).await.unwrap_err();
    assert!(
        error.to_string().contains("allowed: unix:/PATH or http://HOST:PORT"),
        "{error}"
    );
    let help = hubline(&["--help"]).await.unwrap_err();
    assert_eq!(help.code(), 0);
    assert!(help.to_string().contains("Examples:"), "{help}");
    assert!(hubline(&["version"]).await.unwrap().starts_with("hubline 0."));
}

#[test]
fn the_constant_url_and_the_default_address_are_good() {
    reqwest::Url::parse("http://localhost/").unwrap();
    DEFAULT_HUB.parse::<HubAddress>().unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn certificates_are_made_and_fit_together() {
    let directory = TempDir::new().unwrap();
    let dir = directory.path().join("certs");
    let text = dir.to_str().unwrap();
    hubline(&["certs", "init", "--dir", text, "--hub-name", "hub.example.com,10.0.0.5"])
        .await
        .unwrap();
    hubline(&["certs", "agent", "room-c", "--dir", text]).await.unwrap();
    let (hub, agent) = (
        Files::in_directory(&dir.join("hub")),
        Files::in_directory(&dir.join("agents/room-c")),
    );
    server_config(&hub).unwrap();
    client_tls(&agent, None).unwrap();
    let chain = std::fs::read_to_string(&agent.certificate).unwrap();
    let leaf = pem(&chain);
    assert_eq!(cluster_of_certificate(&leaf).unwrap().as_str(), "room-c");
    for private in [&dir.join("ca.key"), &hub.key, &agent.key] {
        assert_eq!(mode(private), 0o600, "{}", private.display());
    }
}

fn pem(text: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::CertificateDer::from_pem_slice(text.as_bytes())
        .unwrap()
        .to_vec()
}

#[tokio::test]
async fn nothing_is_replaced_unasked() {
    let directory = TempDir::new().unwrap();
    let dir = directory.path().to_str().unwrap();
    let init = ["certs", "init", "--dir", dir];
    hubline(&init).await.unwrap();
    let before = std::fs::read(directory.path().join("ca.key")).unwrap();
    let error = hubline(&init).await.unwrap_err();
    assert!(
        error.to_string().contains("ca.crt is there already; --force"),
        "{error}"
    );
    assert_eq!(std::fs::read(directory.path().join("ca.key")).unwrap(), before);
    hubline(&[&init[..], &["--force"]].concat()).await.unwrap();
    assert_ne!(std::fs::read(directory.path().join("ca.key")).unwrap(), before);
    assert_eq!(mode(&directory.path().join("ca.key")), 0o600);
    hubline(&["certs", "agent", "a", "--dir", dir]).await.unwrap();
    assert!(hubline(&["certs", "agent", "a", "--dir", dir]).await.is_err());
}

#[tokio::test]
async fn an_agents_certificate_comes_as_a_secret_too() {
    let directory = TempDir::new().unwrap();
    let dir = directory.path().to_str().unwrap();
    let error = hubline(&["certs", "agent", "a", "--dir", dir]).await.unwrap_err();
    assert!(
        error.to_string().contains("hubline certs init makes the authority"),
        "{error}"
    );
    hubline(&["certs", "init", "--dir", dir]).await.unwrap();
    let yaml = hubline(&["certs", "agent", "a", "--dir", dir, "-o", "yaml", "-n", "edge"])
        .await
        .unwrap();
    let secret: serde_json::Value = serde_saphyr::from_str(&yaml).unwrap();
    assert_eq!(secret["metadata"]["namespace"], "edge");
    let data = |name: &str| secret["stringData"][name].as_str().unwrap().to_owned();
    check_pair(&data("tls.crt"), &data("tls.key").into()).unwrap();
    assert_eq!(
        data("ca.crt"),
        std::fs::read_to_string(directory.path().join("ca.crt")).unwrap()
    );
    assert!(!directory.path().join("agents").try_exists().unwrap());
    let error = hubline(&["certs", "agent", "Not_OK", "--dir", dir]).await.unwrap_err();
    assert_eq!(error.code(), 2);
    let error = hubline(&["certs", "init", "--dir", &format!("{dir}/x"), "--hub-name", "no name"])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("or an IP address"), "{error}");
}
