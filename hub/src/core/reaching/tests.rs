use std::collections::BTreeMap;

use hubline::wire::ContentHash;

use super::*;
use crate::config::ClusterConfig;
use crate::object::ObjectKind;
use crate::path::decision::Reason;
use crate::path::{Gateway, GatewayScheme};
use crate::view::Refusal;

fn cluster() -> ClusterId {
    ClusterId::new("a").unwrap()
}

fn gateway_path() -> Path {
    Path {
        name: "internet".to_owned(),
        rank: 1,
        reach: Reach::Gateway,
        gateway: Some(Gateway {
            addresses: vec!["203.0.113.7:443".parse().unwrap()],
            scheme: GatewayScheme::Https,
            grpc: false,
            host: None,
            client_certificate: None,
            client_key: None,
            identity: None,
        }),
        ..Path::direct()
    }
}

fn list(second: Path) -> ClusterList {
    let config = ClusterConfig {
        paths: vec![Path::direct(), second],
        ..ClusterConfig::named(cluster())
    };
    ClusterList::new(&[config])
}

fn decision(active: &str, weights: Option<[(&str, u32); 2]>) -> Decisions {
    let order: Vec<Arc<str>> = match active {
        "direct" => vec!["direct".into(), "internet".into()],
        _ => vec!["internet".into(), "direct".into()],
    };
    let decision = Decision {
        active: active.into(),
        weights: weights.map(|weights| weights.map(|(path, share)| (path.into(), share)).into()),
        order,
        reason: Reason::Preferred,
        verdicts: BTreeMap::new(),
        drained: None,
    };
    Decisions::unit(cluster(), Arc::new(decision))
}

/// A hub that has looked at a target with the gateway's upstream, long ago.
async fn proved(second: Path) -> Reaching {
    let options = PlanOptions::default();
    let mut reaching = Reaching::new(options.clone());
    reaching.configured(&list(second.clone()));
    let observed = TargetSummary {
        observed: true,
        ..TargetSummary::default()
    };
    reaching.target(&observed);
    for id in diversion_ids(&options, &second) {
        reaching.outcome(&id, &Outcome::Programmed(ContentHash(1)));
    }
    tokio::time::advance(PROVED_AFTER).await;
    reaching
}

fn carrier(reaching: &Reaching) -> Carrier {
    reaching.carriers()[&cluster()].clone()
}

fn why(reaching: &Reaching) -> String {
    match carrier(reaching) {
        Carrier::Burst { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_reached_by_a_diversion_and_left_by_none() {
    let mut reaching = proved(gateway_path()).await;
    assert_eq!(carrier(&reaching), Carrier::Upstreams);
    let (changed, moved) = reaching.decided(decision("direct", None));
    assert_eq!(
        (changed.len(), moved.len()),
        (1, 0),
        "the first word on a cluster is no move"
    );
    let (changed, moved) = reaching.decided(decision("internet", None));
    assert_eq!(moved, [cluster()]);
    let whole = Diverted { path: 1, percent: 100 };
    assert_eq!(changed[0].1.diverted, Some(whole));
    let (changed, _) = reaching.decided(decision("direct", Some([("direct", 10), ("internet", 90)])));
    assert_eq!(changed[0].1.diverted, Some(Diverted { percent: 90, ..whole }), "a ramp");
    let (changed, _) = reaching.decided(decision("direct", None));
    assert_eq!(changed[0].1.diverted, None);
    assert_eq!(carrier(&reaching), Carrier::Upstreams);
}

#[tokio::test(start_paused = true)]
async fn a_missing_upstream_means_a_burst_and_says_so() {
    let mut reaching = proved(gateway_path()).await;
    let id = diversion_ids(&PlanOptions::default(), &gateway_path()).pop().unwrap();
    reaching.outcome(&id, &Outcome::Pending);
    let (changed, _) = reaching.decided(decision("internet", None));
    assert_eq!((changed[0].1.diverted, &changed[0].1.order), (None, &vec![1, 0]));
    assert!(why(&reaching).contains(&*id.id), "{}", why(&reaching));
    // There again, it is not proved at once.
    reaching.outcome(&id, &Outcome::Programmed(ContentHash(1)));
    reaching.decided(decision("direct", None));
    reaching.decided(decision("internet", None));
    assert!(why(&reaching).contains("not proved"));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_split_means_a_burst_before_and_after() {
    let foreign = |rule: Option<&str>| TargetSummary {
        observed: true,
        foreign_split: rule.map(str::to_owned),
        ..TargetSummary::default()
    };
    let mut reaching = proved(gateway_path()).await;
    reaching.decided(decision("internet", None));
    assert!(carrier(&reaching).is_diversion());
    let changed = reaching.target(&foreign(Some("theirs")));
    assert_eq!(changed[0].1.diverted, None);
    assert!(why(&reaching).contains("\"theirs\""));
    reaching.target(&foreign(None));
    reaching.decided(decision("direct", None));
    reaching.decided(decision("internet", None));
    assert!(carrier(&reaching).is_diversion());
}

#[tokio::test(start_paused = true)]
async fn a_refused_rule_moves_singly_what_it_was_to_divert() {
    let mut reaching = proved(gateway_path()).await;
    reaching.decided(decision("internet", None));
    let rule = rule_id(&PlanOptions::default());
    assert_eq!(rule.kind, ObjectKind::GlobalRule);
    let refused = Outcome::Refused(Box::new(Refusal {
        hash: ContentHash(1),
        reason: "unproven".to_owned(),
        message: "it is not there".to_owned(),
    }));
    assert_eq!(reaching.outcome(&rule, &refused)[0].1.diverted, None);
    assert_eq!(why(&reaching), "it is not there");
    // What the target has stays, whatever it refuses later.
    reaching.decided(decision("direct", None));
    reaching.decided(decision("internet", None));
    reaching.outcome(&rule, &Outcome::Programmed(ContentHash(2)));
    assert!(reaching.outcome(&rule, &refused).is_empty());
    assert!(carrier(&reaching).is_diversion());
}

#[tokio::test(start_paused = true)]
async fn what_was_restored_is_taken_for_what_is_there() {
    let mut reaching = Reaching::new(PlanOptions::default());
    reaching.configured(&list(gateway_path()));
    reaching.decided(decision("internet", None));
    assert!(carrier(&reaching).is_diversion(), "nothing changed writes nothing");
}

#[tokio::test(start_paused = true)]
async fn many_addresses_are_a_burst() {
    let ports = Path {
        name: "internet".to_owned(),
        reach: Reach::NodePorts,
        gateway: None,
        ..gateway_path()
    };
    let mut reaching = proved(ports).await;
    let (changed, _) = reaching.decided(decision("internet", None));
    assert_eq!(changed[0].1.order, [1, 0]);
    assert!(why(&reaching).contains("many addresses"));
}
