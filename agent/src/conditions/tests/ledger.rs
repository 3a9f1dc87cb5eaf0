use hubline::model::Severity;

use super::*;
use crate::conditions::Ledger;

fn declared(standing: Standing, keys: &[Key]) -> Option<Arc<Declared>> {
    let keys = keys.into();
    Some(Arc::new(Declared {
        standing,
        keys,
        whole: true,
        ..Declared::default()
    }))
}

fn only(id: &ObjectId) -> Vec<ObjectId> {
    vec![id.clone()]
}

async fn dirty(ledger: &Ledger) -> Vec<ObjectId> {
    ledger.dirty().await.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn it_tells_who_is_to_be_looked_at_for_what() {
    let ledger = Ledger::default();
    let (web, api) = (id(Kind::ApisixRoute, "web"), id(Kind::ApisixRoute, "api"));
    for it in [&web, &api] {
        ledger.report(it, Some(reported(false, 1, conditions(&json!([])))));
        assert!(ledger.facts(it).is_none(), "nothing was made of it yet");
    }
    assert_eq!(dirty(&ledger).await, [api.clone(), web.clone()]);
    ledger.declare(vec![
        (
            web.clone(),
            declared(Standing::Ours, &[route("web", "a"), service("x")]),
        ),
        (
            api.clone(),
            declared(Standing::Ours, &[route("api", "a"), service("x")]),
        ),
    ]);
    assert_eq!(dirty(&ledger).await, [api.clone(), web.clone()]);
    assert_eq!(ledger.users(&service("x")), [api.clone(), web.clone()]);
    assert_eq!(ledger.users(&route("web", "a")), only(&web));
    assert_eq!(ledger.users(&route("other", "a")), []);

    ledger.declare(vec![(api.clone(), declared(Standing::Ours, &[route("api", "a")]))]);
    assert_eq!(ledger.users(&service("x")), only(&web));
    assert_eq!(dirty(&ledger).await, only(&api));

    // Only what changed is dirty.
    let fault = |it: &ObjectId, message: &str| diagnostic(it, Severity::Error, "X", "", message);
    ledger.diagnose(vec![fault(&web, "a"), fault(&api, "a")]);
    assert_eq!(dirty(&ledger).await, [api.clone(), web.clone()]);
    ledger.diagnose(vec![fault(&web, "a"), fault(&api, "b")]);
    assert_eq!(dirty(&ledger).await, only(&api));
    assert_eq!(ledger.facts(&web).unwrap().diagnostics.unwrap().len(), 1);

    // What is gone is forgotten, and nobody depends on anything for it.
    ledger.report(&web, None);
    assert!(ledger.facts(&web).is_none() && ledger.users(&service("x")).is_empty());
    ledger.listed(Kind::ApisixRoute, |_| false);
    assert_eq!(ledger.all(), []);
}

#[test]
fn a_write_is_believed_only_where_nothing_newer_is_known() {
    let (ledger, web) = (Ledger::default(), id(Kind::Ingress, "web"));
    let of = |version: &str| Reported {
        version: version.into(),
        ..reported(true, 1, addresses(&[version]))
    };
    ledger.declare(vec![(web.clone(), declared(Standing::Ours, &[]))]);
    let version = || ledger.facts(&web).unwrap().reported.version.to_string();
    ledger.report(&web, Some(of("7")));
    ledger.wrote(&web, "7", of("8"));
    assert_eq!(version(), "8");
    ledger.report(&web, Some(of("9")));
    ledger.wrote(&web, "7", of("8"));
    assert_eq!(version(), "9", "the watch was faster");
}
