//! Going on after a cut, comparing closely, and drift that no delta tells of.

use hubline::model::ResourceKind;
use hubline::wire::{Compare, Digest, HubMessage, ResyncReason, Scope};

use super::super::{Cluster, Effect, Event, SessionId};
use super::support::*;
use crate::view::Phase;

const MANY: usize = 100;

/// An agent that resumes, with so many endpoint sets.
fn agent_of(count: usize) -> Agent {
    let names: Vec<String> = (0..count).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Agent::new(1, 1).with(&entries(&names, 1)).resuming()
}

fn close(cluster: &mut Cluster, session: u64) {
    let session = SessionId(session);
    cluster.on(Event::Closed { session }, now(1));
}

/// How many resources an answer to the hub's last effects sends.
fn sent(event: &Event) -> usize {
    match event {
        Event::Snapshot { resources, .. } => resources.len(),
        Event::Delta { received, .. } => received.len(),
        _ => 0,
    }
}

#[test]
fn after_a_cut_only_what_changed_is_sent() {
    let mut agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    close(&mut cluster, 1);
    agent.change(1, &[(set("n7"), Some(good(&set("n7"), 2)))]);
    agent.change(1, &[(set("n8"), None)]);
    let effects = cluster.on(agent.hello(2), now(2));
    assert_eq!((resumed(&effects, 2), asked(&effects, 2)), (Some(1), None));
    let delta = answer_to(&agent, &effects, 2).unwrap();
    assert_eq!(sent(&delta), 1);
    assert_eq!(asked(&cluster.on(delta, now(2)), 2), None);
    assert_eq!(
        state(&cluster),
        hashes(&agent.resources.clone().into_iter().collect::<Vec<_>>())
    );
    // In step only when a checkpoint says so.
    assert_eq!(cluster.phase(), Phase::Syncing);
    cluster.on(agent.checkpoint(2), now(2));
    assert_eq!(cluster.phase(), Phase::Live);
    // And so it goes on.
    let next = agent.change(2, &[(set("n9"), None)]);
    assert_eq!(asked(&cluster.on(next, now(3)), 2), None);
}

#[test]
fn a_revision_of_another_run_is_not_gone_on_from() {
    let mut agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    for random in 2..4 {
        agent.begin(hubline::wire::Epoch { counter: 1, random });
        agent.change(2, &[(set("n7"), Some(good(&set("n7"), 3)))]);
        // The first of the two is cut before it could answer: the hub then has nothing of this run either.
        for session in [2, 3] {
            let effects = cluster.on(agent.hello(session), now(2));
            assert_eq!(resumed(&effects, session), None);
            assert!(compared(&effects, session).is_some());
            close(&mut cluster, session);
        }
    }
}

#[test]
fn a_resumption_that_does_not_lead_there_is_found_and_mended() {
    let mut agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    close(&mut cluster, 1);
    cluster.corrupt(&set("n5"));
    agent.change(1, &[(set("n7"), Some(good(&set("n7"), 2)))]);
    let effects = cluster.on(agent.hello(2), now(2));
    let delta = answer_to(&agent, &effects, 2).unwrap();
    cluster.on(delta, now(2));
    let effects = cluster.on(agent.checkpoint(2), now(2));
    assert_eq!(
        (cluster.phase(), cluster.settled()),
        (Phase::Syncing, true),
        "settled is of the past"
    );
    answer(&mut cluster, &agent, 2, effects, 2);
    assert_eq!(cluster.phase(), Phase::Live);
    assert!(state(&cluster).contains_key(&set("n5")));
}

#[test]
fn a_group_that_differs_is_compared_and_only_its_buckets_are_sent() {
    let mut agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    agent.begin(hubline::wire::Epoch { counter: 1, random: 2 });
    agent.resources.insert(set("n7"), good(&set("n7"), 2));
    let effects = cluster.on(agent.hello(2), now(2));
    let groups = vec![group(ResourceKind::EndpointSet)];
    let reason = ResyncReason::Hello;
    assert_eq!(compared(&effects, 2), Some(Compare { reason, groups }));
    let effects = cluster.on(answer_to(&agent, &effects, 2).unwrap(), now(2));
    let snapshot = answer_to(&agent, &effects, 2).unwrap();
    assert!(
        (1..MANY / 2).contains(&sent(&snapshot)),
        "one bucket of four: {}",
        sent(&snapshot)
    );
    cluster.on(snapshot, now(2));
    assert_eq!(cluster.phase(), Phase::Live);
}

#[test]
fn few_are_not_compared_first_and_a_hub_with_nothing_asks_for_everything() {
    for (had, has) in [(20, 30), (0, MANY)] {
        let mut cluster = synchronized(&agent_of(had));
        let mut agent = agent_of(has);
        agent.epoch.random = 2;
        let effects = cluster.on(agent.hello(2), now(1));
        assert_eq!(compared(&effects, 2), None, "{had}");
        answer(&mut cluster, &agent, 2, effects, 1);
        assert_eq!(state(&cluster).len(), has);
    }
}

#[test]
fn an_agent_that_never_tells_its_buckets_is_asked_for_them_once() {
    let mut agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    agent.begin(hubline::wire::Epoch { counter: 1, random: 2 });
    agent.resources.insert(set("n7"), good(&set("n7"), 2));
    let effects = cluster.on(agent.hello(2), now(2));
    assert!(compared(&effects, 2).is_some());
    let effects = cluster.on(agent.offer(2), now(2));
    assert_eq!(compared(&effects, 2), None);
    assert!(asked(&effects, 2).is_some_and(|it| it.scope != Scope::NOTHING));
}

#[test]
fn drift_of_a_bucket_is_found_by_digest_and_repaired() {
    // With what a hub refuses and what it does not know among it: neither is drift.
    let mut agent = agent_of(MANY);
    let opaque = key(ResourceKind::Other(99), "x");
    agent
        .groups
        .insert(group(ResourceKind::Other(99)), hubline::model::Completeness::Complete);
    agent = agent.with(&[
        (plugins("bad"), bad(&plugins("bad"), 1)),
        (opaque.clone(), good(&opaque, 1)),
    ]);
    let mut cluster = synchronized(&agent);
    assert_eq!(cluster.on(agent.checkpoint(1), now(1)), [Effect::Summary]);

    cluster.corrupt(&set("n7"));
    let effects = cluster.on(agent.checkpoint(1), now(2));
    let (reason, groups) = (ResyncReason::DigestMismatch, Vec::new());
    assert_eq!(compared(&effects, 1), Some(Compare { reason, groups }));
    let effects = cluster.on(answer_to(&agent, &effects, 1).unwrap(), now(2));
    let resync = asked(&effects, 1).unwrap();
    assert_eq!(resync.reason, ResyncReason::DigestMismatch);
    let snapshot = agent.snapshot(1, resync.scope);
    assert!(sent(&snapshot) < MANY / 2, "one bucket of four: {}", sent(&snapshot));
    let effects = cluster.on(snapshot, now(2));
    let changed = effects.iter().find_map(|it| match it {
        Effect::Changed(changes) => Some(changes.iter().map(|it| it.key.clone()).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(changed, Some(vec![set("n7")]), "only what was lost is a change");
    assert_eq!(cluster.on(agent.checkpoint(1), now(20)), [Effect::Summary]);
}

#[test]
fn a_checkpoint_of_another_revision_says_nothing() {
    let mut agent = agent_of(3);
    let mut cluster = synchronized(&agent);
    let delta = agent.change(1, &[(set("n0"), None)]);
    assert_eq!(
        cluster.on(agent.checkpoint(1), now(1)),
        [Effect::Summary],
        "it overtook a delta"
    );
    cluster.on(delta, now(1));
    assert_eq!(cluster.on(agent.checkpoint(1), now(1)), [Effect::Summary]);
}

#[test]
fn what_is_unknown_is_no_drift() {
    let mut agent = agent_of(3);
    let mut cluster = synchronized(&agent);
    agent.partial(ResourceKind::EndpointSet, [set("n1")]);
    let effects = cluster.on(agent.offer(1), now(1));
    answer(&mut cluster, &agent, 1, effects, 1);
    for second in 2..40 {
        assert_eq!(cluster.on(agent.checkpoint(1), now(second)), [Effect::Summary]);
    }
}

/// An agent whose digest of everything is wrong for ever, although its buckets agree.
fn lying(agent: &Agent, session: u64) -> Event {
    let mut event = agent.checkpoint(session);
    if let Event::Checkpoint { checkpoint, .. } = &mut event {
        checkpoint.digest = checkpoint.digest.merged(Digest(1));
    }
    event
}

#[test]
fn an_agent_that_lies_for_ever_is_compared_seldom() {
    let agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    let (mut comparisons, mut closed_at) = (0, None);
    for second in 1..60 {
        // Far more often than heartbeats come.
        for _ in 0..100 {
            let effects = cluster.on(lying(&agent, 1), now(second));
            if compared(&effects, 1).is_some() {
                comparisons += 1;
                cluster.on(agent.offer_closely(1), now(second));
            }
            closed_at = closed_at.or(closed(&effects, 1).map(|reason| (second, reason)));
        }
    }
    assert_eq!((comparisons, closed_at), (2, Some((21, "cannot-synchronize"))));
    let effects = cluster.on(agent.hello(2), now(22));
    assert_eq!(closed(&effects, 2), Some("try-later"));
}

/// What an honest agent would send.
fn truth(agent: &Agent, scope: Scope) -> Vec<super::super::Received> {
    match agent.snapshot(1, scope) {
        Event::Snapshot { resources, .. } => resources,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_agent_that_lies_in_one_bucket_costs_a_few_snapshots() {
    let agent = agent_of(MANY);
    let mut cluster = synchronized(&agent);
    let mut liar = agent.clone();
    // Its digests speak of a content that it never sends.
    liar.resources.insert(set("n7"), good(&set("n7"), 9));
    let (mut resources, mut end) = (0, None);
    for second in 1..60 {
        let mut effects = cluster.on(liar.checkpoint(1), now(second));
        while let Some(mut event) = answer_to(&liar, &effects, 1) {
            if let Event::Snapshot { resources: sent, .. } = &mut event {
                *sent = truth(&agent, asked(&effects, 1).unwrap().scope);
                resources += sent.len();
            }
            effects = cluster.on(event, now(second));
        }
        let told = |it: &Effect| matches!(it, Effect::Close(..));
        end = end.or(effects.iter().find(|it| told(it)).map(|_| second));
    }
    assert!(
        end.is_some() && resources < 3 * MANY / 2,
        "{end:?}, {resources} resources sent"
    );
    assert_eq!(state(&cluster).len(), MANY, "nothing is lost by it");
}

#[test]
fn a_session_that_cannot_resume_is_asked_as_before() {
    let mut agent = agent_of(MANY);
    agent.capabilities.clear();
    let mut cluster = synchronized(&agent);
    close(&mut cluster, 1);
    agent.change(1, &[(set("n7"), Some(good(&set("n7"), 2)))]);
    let effects = cluster.on(agent.hello(2), now(2));
    let other = |it: &Effect| matches!(it, Effect::Send(_, HubMessage::Resume(_) | HubMessage::Compare(_)));
    assert!(!effects.iter().any(other));
    answer(&mut cluster, &agent, 2, effects, 1);
    assert_eq!(cluster.phase(), Phase::Live);
}
