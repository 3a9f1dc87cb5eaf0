//! Case 01: paths of all types, hosts, and a default backend.

use super::{case, service};

/// Where requests go, at all three.
const SAME: [(&str, &str, &str); 14] = [
    ("case01.example.com", "/prefix", "web"),
    ("case01.example.com", "/prefix/x?y=1", "web"),
    ("case01.example.com", "/prefix-slash/", "web"),
    ("case01.example.com", "/prefix-slash", "web"),
    ("case01.example.com", "/", "web"),
    ("case01.example.com", "/anything", "web"),
    ("case01.example.com", "/exact", "api"),
    // A longer path is no longer the exact one.
    ("case01.example.com", "/exact/", "web"),
    ("case01.example.com", "/exact-not", "web"),
    ("case01.example.com", "/impl/x", "api"),
    ("case01.example.com", "/impl", "web"),
    ("a.case01-wild.example.com", "/w/x", "web"),
    ("other.example.org", "/case01-nohost", "web"),
    ("a.case01-wild.example.com", "/case01-nohost/x", "web"),
];

/// What no rule takes goes to `defaultBackend`, as Kubernetes has it; neither of the peers pushes that.
const BY_DEFAULT: [(&str, &str); 4] = [
    ("other.example.org", "/"),
    ("other.example.org", "/w"),
    ("a.case01-wild.example.com", "/wide"),
    // A wildcard is for what stands before it, and not for nothing.
    ("case01-wild.example.com", "/w"),
];

#[tokio::test]
async fn requests_go_where_the_peers_send_them() {
    let Some(case) = case("case01-ingress-paths") else {
        return;
    };
    for (who, served) in case.served().await {
        for (host, target, wanted) in SAME {
            let answer = served.ask(host, target, &[]).await;
            assert_eq!(service(&answer), format!("{wanted} {target}"), "{who}: {host}");
        }
        for (host, target) in BY_DEFAULT {
            let wanted = if who == "ours" {
                format!("canary {target}")
            } else {
                "404".to_owned()
            };
            let answer = served.ask(host, target, &[]).await;
            assert_eq!(service(&answer), wanted, "{who}: {host}{target}");
        }
        served.end().await;
    }
}
