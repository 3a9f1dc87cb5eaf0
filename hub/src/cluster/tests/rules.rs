//! One test a rule.

use hubline::model::ResourceKind;
use hubline::wire::{BucketSet, EncodedResource, Epoch, HubMessage, ResyncReason, Scope};

use super::super::{Effect, Event, PersistOperation, SessionId, Settings};
use super::support::*;
use crate::view::Phase;

#[test]
fn a_hello_is_answered_with_exactly_what_differs() {
    let names: Vec<String> = (0..40).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut agent = Agent::new(1, 1).with(&entries(&names, 1));
    let mut cluster = cluster();
    assert_eq!(cluster.phase(), Phase::Unknown);
    let effects = cluster.on(agent.hello(1), now(0));
    assert_eq!(effects.first(), Some(&Effect::Welcome(SessionId(1), None)));
    let resync = asked(&effects, 1).unwrap();
    assert_eq!((resync.reason, resync.scope), (ResyncReason::Hello, Scope::Everything));
    assert_eq!((cluster.phase(), cluster.settled()), (Phase::Syncing, false));
    cluster.on(agent.snapshot(1, Scope::Everything), now(0));
    assert_eq!((cluster.phase(), cluster.settled()), (Phase::Live, true));
    // A new run with the same content costs nothing; with one change it costs one bucket of four.
    agent.epoch.random = 2;
    let effects = cluster.on(agent.hello(2), now(1));
    assert_eq!(asked(&effects, 2).unwrap().scope, Scope::NOTHING);
    assert_eq!(cluster.phase(), Phase::Live);
    agent.resources.insert(set("n0"), good(&set("n0"), 2));
    let effects = cluster.on(agent.hello(3), now(2));
    let Scope::Buckets(sets) = asked(&effects, 3).unwrap().scope else {
        panic!("everything was asked for");
    };
    assert_eq!((sets.len(), sets[0].bits, sets[0].buckets.len()), (1, 2, 1));
    answer(&mut cluster, &agent, 3, effects, 1);
    assert_eq!(state(&cluster)[&set("n0")], good(&set("n0"), 2).hash());
}

#[test]
fn another_uid_is_refused_and_changes_nothing() {
    let have = entries(&["x"], 1);
    let mut cluster = synchronized(&Agent::new(1, 1).with(&have));
    let mut event = Agent::new(9, 9).hello(2);
    if let Event::Opened { hello, .. } = &mut event {
        "uid-b".clone_into(&mut hello.cluster_uid);
    }
    assert_eq!(closed(&cluster.on(event.clone(), now(1)), 2), Some("wrong-uid"));
    assert_eq!(
        (cluster.session(), state(&cluster)),
        (Some(SessionId(1)), hashes(&have))
    );
    let settings = Settings {
        uid: Some("uid-b".to_owned()),
        ..Settings::default()
    };
    let effects = cluster.on(Event::Configured(Some(settings)), now(2));
    assert_eq!(
        closed(&effects, 1),
        Some("wrong-uid"),
        "the operator's word counts more than first sight"
    );
    assert_eq!(closed(&cluster.on(event, now(3)), 2), None);
    assert_eq!(cluster.summary().uid.as_deref(), Some("uid-b"));
}

#[test]
fn a_newer_run_takes_over_and_an_older_stands_by() {
    let mut agent = Agent::new(5, 1).with(&entries(&["x"], 1));
    let mut cluster = synchronized(&agent);
    let superseded = |session, by: &str| Effect::Send(SessionId(session), HubMessage::Superseded(by.to_owned()));
    let older = Agent::new(4, 1);
    assert_eq!(cluster.on(older.hello(2), now(1)), [superseded(2, "agent-1")]);
    agent.epoch = Epoch { counter: 5, random: 2 };
    let effects = cluster.on(agent.hello(3), now(2));
    assert_eq!(effects.first(), Some(&superseded(1, "agent-3")));
    assert_eq!(cluster.on(older.snapshot(2, Scope::Everything), now(3)), []);
    // When the one that speaks is gone they are asked to say hello, and then any is accepted.
    let session = SessionId(3);
    let effects = cluster.on(Event::Closed { session }, now(4));
    let again = Some("say-hello-again");
    assert_eq!((closed(&effects, 1), closed(&effects, 2)), (again, again));
    let effects = cluster.on(older.hello(4), now(5));
    assert_eq!(effects.first(), Some(&Effect::Welcome(SessionId(4), None)));
}

#[test]
fn only_an_agent_that_knows_addresses_is_told_any() {
    let mut agent = Agent::new(1, 1).with(&entries(&["x"], 1));
    let mut cluster = synchronized(&agent);
    assert_eq!((cluster.session(), cluster.addressed()), (Some(SessionId(1)), None));
    agent.capabilities = vec![hubline::wire::ADDRESSES.to_owned()];
    cluster.on(agent.hello(2), now(1));
    assert_eq!(cluster.addressed(), Some(SessionId(2)));
    let session = SessionId(2);
    cluster.on(Event::Closed { session }, now(2));
    assert_eq!(cluster.addressed(), None);
}

#[test]
fn a_silent_session_may_be_taken_over_by_any() {
    let mut cluster = synchronized(&Agent::new(5, 1).with(&entries(&["x"], 1)));
    let session = SessionId(1);
    for (event, second, phase) in [
        (Event::Tick, 14, Phase::Live),
        (Event::Tick, 15, Phase::Stale),
        (Event::Heartbeat { session }, 16, Phase::Live),
        (Event::Tick, 40, Phase::Stale),
    ] {
        cluster.on(event, now(second));
        assert_eq!(cluster.phase(), phase, "{second}");
    }
    let effects = cluster.on(Agent::new(4, 1).hello(2), now(41));
    assert!(effects.contains(&Effect::Welcome(SessionId(2), None)));
}

#[test]
fn a_group_that_is_not_mentioned_is_kept() {
    let have = entries(&["x"], 1);
    let mut cluster = synchronized(&Agent::new(1, 1).with(&have));
    let mut older = Agent::new(2, 2);
    older.groups.remove(&group(ResourceKind::EndpointSet));
    let effects = cluster.on(older.hello(2), now(1));
    assert_eq!(asked(&effects, 2).unwrap().scope, Scope::NOTHING);
    cluster.on(older.snapshot(2, Scope::Everything), now(1));
    assert_eq!(state(&cluster), hashes(&have));
}

/// Spoils a snapshot in one of four ways.
fn spoil(event: &mut Event, way: &str) {
    let Event::Snapshot { begin, end, .. } = event else {
        return;
    };
    match way {
        "count" => end.count += 1,
        "sum" => end.digest.0 ^= 1,
        "revision" => end.revision += 1,
        _ => begin.groups[0].digests[0].0 ^= 1,
    }
}

#[test]
fn a_broken_snapshot_changes_nothing_and_cannot_repeat_for_ever() {
    for way in ["count", "sum", "revision", "digests"] {
        let agent = Agent::new(1, 1).with(&entries(&["x", "y"], 1));
        let mut cluster = cluster();
        cluster.on(agent.hello(1), now(0));
        let mut event = agent.snapshot(1, Scope::Everything);
        spoil(&mut event, way);
        for _ in 0..2 {
            let effects = cluster.on(event.clone(), now(1));
            let reason = asked(&effects, 1).map(|it| it.reason);
            assert_eq!(reason, Some(ResyncReason::BrokenSnapshot), "{way}");
            assert_eq!((state(&cluster).len(), cluster.settled()), (0, false), "{way}");
        }
        let effects = cluster.on(event, now(1));
        assert_eq!(closed(&effects, 1), Some("cannot-synchronize"), "{way}");
        let effects = cluster.on(agent.hello(2), now(2));
        assert_eq!(closed(&effects, 2), Some("try-later"), "{way}");
        let effects = cluster.on(agent.hello(3), now(40));
        answer(&mut cluster, &agent, 3, effects, 1);
        assert_eq!(state(&cluster).len(), 2, "{way}: it recovers");
    }
}

#[test]
fn a_gap_asks_for_everything_and_later_deltas_wait() {
    let (x, y) = (set("x"), set("y"));
    let mut agent = Agent::new(1, 1).with(&entries(&["x"], 1));
    let mut cluster = synchronized(&agent);
    agent.change(1, &[(x, None)]);
    let effects = cluster.on(agent.change(1, &[(y.clone(), Some(good(&y, 1)))]), now(1));
    let resync = asked(&effects, 1).unwrap();
    assert_eq!((resync.reason, resync.scope), (ResyncReason::Gap, Scope::Everything));
    let in_flight = cluster.on(agent.change(1, &[(y.clone(), Some(good(&y, 2)))]), now(1));
    assert_eq!(in_flight, [Effect::Summary]);
    answer(&mut cluster, &agent, 1, effects, 1);
    assert_eq!(state(&cluster), [(y.clone(), good(&y, 2).hash())].into());
}

#[test]
fn a_digest_that_differs_asks_for_its_bucket_and_three_in_a_row_end_it() {
    let x = set("x");
    let mut agent = Agent::new(1, 1).with(&entries(&["x"], 1));
    let mut cluster = synchronized(&agent);
    for (value, last) in [(2, false), (3, false), (4, true)] {
        let mut event = agent.change(1, &[(x.clone(), Some(good(&x, value)))]);
        if let Event::Delta { delta, .. } = &mut event {
            delta.touched[0].digest.0 ^= 1;
        }
        let effects = cluster.on(event, now(1));
        assert_eq!(state(&cluster)[&x], good(&x, value).hash(), "the delta stands");
        if last {
            assert_eq!(closed(&effects, 1), Some("cannot-synchronize"));
        } else {
            assert_eq!(asked(&effects, 1).unwrap().reason, ResyncReason::DigestMismatch);
            answer(&mut cluster, &agent, 1, effects, 1);
        }
    }
}

#[test]
fn changes_during_a_resync_converge() {
    let names = ["a", "b", "c", "d", "e"];
    let mut agent = Agent::new(1, 1).with(&entries(&names, 1));
    let mut cluster = synchronized(&agent);
    // A new run with one other content; between its hello and its snapshot more changes come.
    agent.epoch.random = 2;
    agent.resources.insert(set("a"), good(&set("a"), 2));
    let effects = cluster.on(agent.hello(2), now(1));
    let steps: Vec<Step> = entries(&names, 3)
        .into_iter()
        .map(|(key, it)| (key, Some(it)))
        .collect();
    cluster.on(agent.change(2, &steps), now(1));
    answer(&mut cluster, &agent, 2, effects, 2);
    assert_eq!(state(&cluster), hashes(&entries(&names, 3)));
    assert_eq!(cluster.phase(), Phase::Live);
}

#[test]
fn a_newer_agent_is_understood_without_endless_resync() {
    let (other, x) = (key(ResourceKind::Other(99), "x"), set("x"));
    let mut bytes = good(&x, 1).bytes().to_vec();
    bytes.extend([0xC0, 0x3E, 1]); // field 1000, a varint
    let unknown_field = EncodedResource::from_bytes(bytes.into());
    let have = [(other.clone(), good(&other, 1)), (x.clone(), unknown_field.clone())];
    let mut agent = Agent::new(1, 1).with(&have);
    agent.complete(ResourceKind::Other(99));
    let mut cluster = synchronized(&agent);
    assert_eq!(state(&cluster), [(x, unknown_field.hash())].into());
    let effects = cluster.on(agent.hello(2), now(1));
    assert_eq!(asked(&effects, 2).unwrap().scope, Scope::NOTHING);
    let effects = cluster.on(agent.change(2, &[(other.clone(), Some(good(&other, 2)))]), now(1));
    assert_eq!((asked(&effects, 2), cluster.phase()), (None, Phase::Live));
    let put = PersistOperation::Put {
        key: other.clone(),
        bytes: good(&other, 2).bytes().clone(),
    };
    assert!(effects.contains(&Effect::Persist(vec![put])));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Changed(_))));
}

#[test]
fn an_older_agent_without_touched_digests_is_served() {
    let x = set("x");
    let mut agent = Agent::new(0, 0).with(&entries(&["x"], 1));
    agent.bits = 0;
    let mut cluster = synchronized(&agent);
    let mut event = agent.change(1, &[(x.clone(), Some(good(&x, 2)))]);
    if let Event::Delta { delta, .. } = &mut event {
        delta.touched.clear();
    }
    let effects = cluster.on(event, now(1));
    assert_eq!(asked(&effects, 1), None);
    assert_eq!(state(&cluster)[&x], good(&x, 2).hash());
}

#[test]
fn more_resources_than_allowed_end_the_session_and_change_nothing() {
    let settings = Settings {
        max_resources: 2,
        ..Settings::default()
    };
    let mut agent = Agent::new(1, 1).with(&entries(&["x", "y"], 1));
    let mut cluster = cluster();
    cluster.on(Event::Configured(Some(settings)), now(0));
    let effects = cluster.on(agent.hello(1), now(0));
    answer(&mut cluster, &agent, 1, effects, 1);
    let swap = [(set("x"), None), (set("z"), Some(good(&set("z"), 1)))];
    assert_eq!(closed(&cluster.on(agent.change(1, &swap), now(1)), 1), None);
    let before = state(&cluster);
    let effects = cluster.on(agent.change(1, &[(set("w"), Some(good(&set("w"), 1)))]), now(1));
    assert_eq!(closed(&effects, 1), Some("too-many-resources"));
    assert_eq!(state(&cluster), before);
}

#[test]
fn a_held_removal_is_said_in_the_ack_and_found_later() {
    let mut agent = Agent::new(1, 1).with(&entries(&["x"], 1));
    let mut cluster = synchronized(&agent);
    agent.unknown(ResourceKind::EndpointSet);
    let effects = cluster.on(agent.offer(1), now(1));
    assert_eq!(asked(&effects, 1).unwrap().scope, Scope::NOTHING);
    assert!(cluster.settled(), "it was complete once");
    let effects = cluster.on(agent.change(1, &[(set("x"), None)]), now(1));
    let held = effects.iter().find_map(|effect| match effect {
        Effect::Send(_, HubMessage::Ack(ack)) => Some(ack.held.clone()),
        _ => None,
    });
    assert_eq!(held.unwrap()[0].reason, "unknown-group");
    agent.complete(ResourceKind::EndpointSet);
    let effects = cluster.on(agent.offer(1), now(2));
    answer(&mut cluster, &agent, 1, effects, 1);
    assert_eq!(state(&cluster).len(), 0);
}

#[test]
fn a_cluster_with_a_group_that_was_never_listed_is_not_settled() {
    let mut agent = Agent::new(1, 1).with(&entries(&["x"], 1));
    agent.unknown(ResourceKind::PluginSet);
    let cluster = synchronized(&agent);
    assert_eq!((cluster.phase(), cluster.settled()), (Phase::Live, false));
}

/// What the hub has besides makes the digests of a partial group differ for ever: that is asked for once, not again.
#[test]
fn a_partial_group_is_asked_for_once_a_hello() {
    let mut cluster = synchronized(&Agent::new(1, 1).with(&entries(&["x", "y"], 1)));
    let mut agent = Agent::new(2, 2).with(&entries(&["x"], 1));
    agent.bits = 0;
    agent.partial(ResourceKind::EndpointSet, [set("y")]);
    for session in 2..9 {
        let effects = cluster.on(agent.hello(session), now(1));
        let whole = Scope::Buckets(vec![BucketSet::whole(group(ResourceKind::EndpointSet))]);
        assert_eq!(asked(&effects, session).unwrap().scope, whole);
        let effects = cluster.on(agent.snapshot(session, whole), now(1));
        assert_eq!((asked(&effects, session), closed(&effects, session)), (None, None));
        assert!(
            !effects.iter().any(|it| matches!(it, Effect::Changed(_))),
            "nothing is new"
        );
    }
}

#[test]
fn a_broken_snapshot_of_a_partial_group_is_asked_for_again() {
    let (x, p) = (set("x"), plugins("p"));
    let have = [(x.clone(), good(&x, 1)), (p.clone(), good(&p, 1))];
    let mut agent = Agent::new(1, 1).with(&have);
    agent.partial(ResourceKind::EndpointSet, []);
    let mut cluster = cluster();
    let effects = cluster.on(agent.hello(1), now(0));
    let scope = asked(&effects, 1).unwrap().scope;
    let mut event = agent.snapshot(1, scope.clone());
    spoil(&mut event, "sum");
    let effects = cluster.on(event, now(0));
    assert_eq!(asked(&effects, 1).unwrap().scope, scope);
    answer(&mut cluster, &agent, 1, effects, 1);
    assert_eq!(state(&cluster), hashes(&have));
}
