//! Case 07: consumers with a key and with a password, and a route that asks for a key.

use std::collections::BTreeSet;

use super::{case, list, service};

const HOST: &str = "case07.example.com";

#[tokio::test]
async fn callers_are_known_as_the_peers_know_them() {
    let Some(case) = case("case07-consumer") else { return };
    let table = [
        (&[("x-key", "jack-secret-key")][..], "web /a"),
        (&[("x-key", "another")][..], "401"),
        (&[][..], "401"),
        // The header that the plugin looks into where none is named.
        (&[("apikey", "jack-secret-key")][..], "401"),
        // `rose:pw`: nobody asks for a password here.
        (&[("authorization", "Basic cm9zZTpwdw==")][..], "401"),
    ];
    for (who, served) in case.served().await {
        for (headers, wanted) in table {
            let answer = served.ask(HOST, "/a", headers).await;
            assert_eq!(service(&answer), wanted, "{who}: {headers:?}");
        }
        served.end().await;
    }
}

/// Ours carry another name, since two clusters may have a consumer of the same; backends read the one that people gave
/// in `X-Consumer-Custom-Id`.
#[tokio::test]
async fn credentials_are_those_of_the_peers() {
    let Some(case) = case("case07-consumer") else { return };
    let bodies = case.bodies();
    let of = |consumers: &[serde_json::Value]| -> BTreeSet<String> {
        let consumers = consumers.iter().filter(|object| object.get("username").is_some());
        consumers.map(|consumer| consumer["plugins"].to_string()).collect()
    };
    let ours = of(&bodies);
    assert_eq!(ours.len(), 2, "{ours:?}");
    for (line, state) in &case.theirs {
        assert_eq!(ours, of(list(state, "consumers")), "{line}");
    }
    let [(_, served), ..] = case.served().await;
    let seen = served
        .seen("consumer", HOST, "/a", &[("x-key", "jack-secret-key")])
        .await;
    assert_eq!(seen, "case07_jack");
}
