//! A hub that does not read: what the agent holds is bounded by keys, whatever the number of changes.

use std::collections::BTreeMap;

use hubline::wire::{AgentMessage, ContentHash, EncodedResource, Scope};

use super::hub::{Agent, ScriptedHub, key, upserts};

const KEYS: usize = 500;
const CHANGES: u32 = 200_000;

#[tokio::test(start_paused = true)]
async fn a_hub_that_stops_reading_gets_the_last_values_and_only_those() {
    let (mut hub, mut agent) = (ScriptedHub::start(), Agent::publishing(&[]));
    let names: Vec<String> = (0..KEYS).map(|number| format!("n{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    agent.apply(upserts(&all, 1));
    agent.connect(&hub);
    let mut peer = hub.peer().await;
    peer.accept(Scope::NOTHING).await;
    // From here on nothing is read: its stream is open, and its windows are full at some time.
    for change in 0..CHANGES {
        agent.set(all[change as usize % KEYS], change + 2);
        if change % 1_000 == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(agent.reader().held(), [KEYS, KEYS, 0]);
    }
    let last = agent.reader().version().revision;
    let (mut held, mut upserts): (BTreeMap<_, ContentHash>, usize) = (BTreeMap::new(), 0);
    loop {
        let AgentMessage::Delta(delta) = peer.next().await else {
            panic!("no delta");
        };
        upserts += delta.upserts.len();
        held.extend(delta.upserts.iter().map(|it| (it.decode().unwrap().key, it.hash())));
        peer.ack(delta.revision).await;
        if delta.revision == last {
            break;
        }
    }
    assert!(
        upserts <= 2 * KEYS,
        "what was under way, and then each key once: {upserts}"
    );
    for (at, name) in all.iter().enumerate() {
        let weight = u32::try_from(CHANGES as usize - KEYS + at + 2).unwrap();
        let entry = &super::hub::upserts(&[name], weight).upserts[0];
        let expected = EncodedResource::encode(&entry.key, &entry.resource).hash();
        assert_eq!(held.get(&key(name)), Some(&expected), "{name}");
    }
}
