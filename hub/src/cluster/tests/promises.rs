//! The promises that this state machine keeps, by name (DESIGN section 5).

use hubline::model::{Key, ResourceKind};
use hubline::wire::{EncodedResource, Scope};

use super::super::{Cluster, Effect, Event, Meta, Restored, SessionId};
use super::support::*;
use crate::view::Phase;

#[test]
fn silence_withdraws_nothing() {
    let have = entries(&["x", "y"], 1);
    let mut cluster = synchronized(&Agent::new(1, 1).with(&have));
    for second in 0..100 {
        let effects = cluster.on(Event::Tick, now(second));
        assert!(effects.iter().all(|effect| *effect == Effect::Summary), "{effects:?}");
    }
    assert_eq!((cluster.phase(), state(&cluster)), (Phase::Stale, hashes(&have)));
    let session = SessionId(1);
    assert_eq!(cluster.on(Event::Closed { session }, now(100)), [Effect::Summary]);
    let effects = cluster.on(Event::Configured(None), now(101));
    assert_eq!(effects, [Effect::Summary], "leaving the list withdraws nothing either");
    assert_eq!((cluster.phase(), state(&cluster)), (Phase::Stale, hashes(&have)));
}

#[test]
fn an_error_is_not_an_empty_list() {
    let have = entries(&["x", "y"], 1);
    for restart in [false, true] {
        let mut cluster = synchronized(&Agent::new(1, 1).with(&have));
        if restart {
            cluster = restarted(&cluster, &have);
        }
        // The agent starts anew and may not list endpoint slices.
        let mut agent = Agent::new(2, 2);
        agent.unknown(ResourceKind::EndpointSet);
        let effects = cluster.on(agent.hello(2), now(1));
        assert_eq!(asked(&effects, 2).unwrap().scope, Scope::NOTHING);
        // Even when it sends a snapshot of everything, or claims a removal.
        let effects = cluster.on(agent.snapshot(2, Scope::Everything), now(2));
        assert_eq!(closed(&effects, 2), None);
        cluster.on(agent.change(2, &[(set("x"), None)]), now(3));
        assert_eq!(state(&cluster), hashes(&have));
    }
}

/// The agent starts over something that it cannot read: what it can is taken, of the rest nothing goes.
#[test]
fn an_error_is_not_an_empty_list_in_a_partial_group() {
    let (x, y, z) = (set("x"), set("y"), set("z"));
    let have = entries(&["x", "y", "gone"], 1);
    let mut cluster = synchronized(&Agent::new(1, 1).with(&have));
    let mut agent = Agent::new(2, 2)
        .with(&entries(&["x", "z"], 2))
        .with(&entries(&["y"], 3));
    agent.partial(ResourceKind::EndpointSet, [y.clone()]);
    let effects = cluster.on(agent.hello(2), now(1));
    assert_ne!(asked(&effects, 2).unwrap().scope, Scope::NOTHING);
    answer(&mut cluster, &agent, 2, effects, 1);
    let mut in_force = hashes(&have);
    in_force.extend(hashes(&entries(&["x", "z"], 2)));
    assert_eq!(state(&cluster), in_force);
    // Deltas go on, and no digest of the group is held against them.
    let steps = [(x.clone(), Some(good(&x, 4))), (z.clone(), None)];
    let effects = cluster.on(agent.change(2, &steps), now(2));
    assert_eq!((asked(&effects, 2), cluster.phase()), (None, Phase::Live));
    in_force.insert(x.clone(), good(&x, 4).hash());
    assert_eq!(state(&cluster), in_force);
    // When all is read the agent's word counts.
    agent.complete(ResourceKind::EndpointSet);
    let effects = cluster.on(agent.offer(2), now(3));
    answer(&mut cluster, &agent, 2, effects, 1);
    assert_eq!(
        state(&cluster),
        [(x.clone(), good(&x, 4).hash()), (y.clone(), good(&y, 3).hash())].into()
    );
}

fn restarted(before: &Cluster, have: &[(Key, EncodedResource)]) -> Cluster {
    let meta = Meta {
        uid: before.summary().uid,
        groups: before.groups.records(),
        ..Meta::default()
    };
    let resources = have.iter().map(|(_, encoded)| received(encoded)).collect();
    Cluster::restore(before.id().clone(), Restored { meta, resources })
}

#[test]
fn one_bad_resource_stops_only_itself() {
    let (x, y, p) = (set("x"), set("y"), plugins("p"));
    let mut agent = Agent::new(1, 1).with(&[(x.clone(), good(&x, 1)), (p.clone(), good(&p, 1))]);
    let mut cluster = synchronized(&agent);
    // Bad values among good ones: the rest is taken, the last good stays, and nothing is asked for again.
    let steps = [
        (x.clone(), Some(good(&x, 2))),
        (p.clone(), Some(bad(&p, 1))),
        (y.clone(), Some(bad(&y, 1))),
    ];
    let effects = cluster.on(agent.change(1, &steps), now(1));
    assert_eq!(nacks(&effects), [p.clone(), y.clone()]);
    assert_eq!(asked(&effects, 1), None);
    let in_force = [(x.clone(), good(&x, 2).hash()), (p.clone(), good(&p, 1).hash())];
    assert_eq!(state(&cluster), in_force.into());
    let quarantine: Vec<_> = cluster.problems().map(|(key, _)| key.clone()).collect();
    assert_eq!(quarantine, [y.clone(), p.clone()]);
    let told = format!("{effects:?} {:?}", cluster.problems().collect::<Vec<_>>());
    assert!(!told.contains("hunter"), "a plugin's configuration is secret: {told}");
    // The same content again is not refused twice.
    let effects = cluster.on(agent.change(1, &[(p.clone(), Some(bad(&p, 1)))]), now(2));
    assert_eq!(nacks(&effects), []);
    // The content that was good before heals it, without any change of what is in force.
    let effects = cluster.on(agent.change(1, &[(p.clone(), Some(good(&p, 1)))]), now(2));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Changed(_))));
    assert_eq!(cluster.problems().count(), 1);
    // A removal takes quarantine and last good.
    cluster.on(agent.change(1, &[(p, None), (y, None)]), now(3));
    assert_eq!(cluster.problems().count(), 0);
    assert_eq!(state(&cluster), [(x.clone(), good(&x, 2).hash())].into());
}
