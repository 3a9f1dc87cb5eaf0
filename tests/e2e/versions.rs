//! Agents of other versions and broken ones, as scripts: what the hub answers, message by message.

use anyhow::{Context, Result, ensure};
use hubline::model::{Group, GroupKind, Key, ResourceKind};
use hubline::wire::{AgentMessage, EncodedResource, HubMessage, Resync, Scope, codec, proto};
use hubline_sandbox::apisix::Call;
use hubline_sandbox::scripted::{App, Belongings, Scripted, group, with_unknown_fields};
use hubline_sandbox::system::System;
use libtest_mimic::Trial;
use prost::Message;
use tonic::Code;

use crate::fixture::backend;
use crate::{log, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "versions::a_newer_agent_works_without_endless_resync",
            a_newer_agent_works_without_endless_resync,
        ),
        trial("versions::an_older_agent_works", an_older_agent_works),
        trial(
            "versions::a_truncated_message_is_refused_and_nothing_is_lost",
            a_truncated_message_is_refused_and_nothing_is_lost,
        ),
        trial(
            "versions::a_refused_resource_is_nacked_once",
            a_refused_resource_is_nacked_once,
        ),
        trial("versions::takeover", takeover),
    ]
}

/// Where all backends of these tests are.
const POD: &str = "10.90.1.1";

/// A message of a kind that this hub does not know: field 99 with an empty message.
const UNKNOWN_MESSAGE: [u8; 3] = [0x9a, 0x06, 0];

/// The groups of an agent that knows Ingress.
fn groups() -> Vec<Group> {
    vec![
        group(ResourceKind::Route, "networking.k8s.io", "Ingress"),
        group(ResourceKind::Service, "", "Service"),
        group(ResourceKind::EndpointSet, "", "Service"),
    ]
}

fn web() -> App {
    App::new("web", "web.example.com", POD)
}

/// Says hello and gives what is asked for.
async fn synchronize(system: &System, belongings: &Belongings) -> Result<Scripted> {
    let mut agent = system.script("a").await?;
    let asked = belongings.open("a", &mut agent).await?;
    if asked.scope != Scope::NOTHING {
        belongings.send(&asked.scope, &mut agent).await?;
    }
    Ok(agent)
}

/// A hub with a served app, and the script that speaks for its cluster.
async fn served(belongings: &Belongings) -> Result<(System, Scripted)> {
    let system = System::start(&["a"]).await?;
    let agent = synchronize(&system, belongings).await?;
    system.until_served("web.example.com", "/", POD).await?;
    Ok((system, agent))
}

/// Ends a script and waits until the hub knows.
async fn leave(system: &System, agent: Scripted) -> Result<()> {
    drop(agent);
    phase(system, "Stale").await
}

async fn phase(system: &System, wanted: &str) -> Result<()> {
    let wanted = |it: &serde_json::Value| it["phase"] == wanted;
    system.until_api("/v1/clusters/a", wanted).await.map(drop)
}

/// Adds an app and waits for it: all that the hub answered or wrote because of earlier messages came before. Returns the
/// other writes.
async fn settle(system: &System, agent: &mut Scripted, belongings: &mut Belongings, name: &str) -> Result<Vec<Call>> {
    let host = format!("{name}.example.com");
    let later = App::new(name, &host, POD).resources()?;
    let delta = belongings.change(&later.map(|(key, encoded)| (key, Some(encoded))));
    belongings.send_delta(delta, agent).await?;
    system.until_served(&host, "/", POD).await?;
    let writes = system.apisix.writes().into_iter();
    Ok(writes.filter(|call| !call.body.contains(name)).collect())
}

/// In this session the hub asked once, and for nothing.
fn asked_for_nothing(agent: &Scripted) -> Result<()> {
    let asked = agent.asked();
    ensure!(
        matches!(asked[..], [Resync { scope, .. }] if *scope == Scope::NOTHING),
        "the hub asked for {asked:?}"
    );
    Ok(())
}

/// What a newer agent has: fields and a kind of resource that this hub does not know.
fn newer() -> Result<Belongings> {
    let mut groups = groups();
    let gateways = group(ResourceKind::Other(99), "gateway.networking.k8s.io", "Gateway");
    groups.push(gateways.clone());
    let mut newer = Belongings::of(&groups);
    newer.capabilities = vec!["offer".to_owned(), "teleport".to_owned()];
    for (key, encoded) in web().resources()? {
        newer.resources.insert(key, with_unknown_fields(&encoded)?);
    }
    for name in ["east", "west"] {
        let key = Key::new(gateways.kind, &gateways.source, "shop", name, "");
        let message = proto::Resource {
            key: Some(proto::Key {
                kind: 99,
                group: "gateway.networking.k8s.io".to_owned(),
                source: "Gateway".to_owned(),
                namespace: "shop".to_owned(),
                name: name.to_owned(),
                section: String::new(),
            }),
            body: None,
        };
        // A body of a type that is not known here: field 99.
        let bytes = [message.encode_to_vec(), vec![0x9a, 0x06, 3, 1, 2, 3]].concat();
        newer.resources.insert(key, EncodedResource::from_bytes(bytes.into()));
    }
    Ok(newer)
}

async fn a_newer_agent_works_without_endless_resync() -> Result<()> {
    let _backend = backend(POD).await?;
    let mut system = System::start(&["a"]).await?;
    let mut newer = newer()?;
    let mut agent = system.script("a").await?;
    // Protobuf joins a field that comes twice: a hello (field 1) with a field 99 more.
    let hello = codec::to_agent_wire(newer.hello("a")).encode_to_vec();
    agent
        .say_bytes([&hello[..], &[0x0a, 3], &UNKNOWN_MESSAGE].concat())
        .await?;
    agent.until("resync", |it| matches!(it, HubMessage::Resync(_))).await?;
    ensure!(agent.asked()[0].scope == Scope::Everything, "asked {:?}", agent.asked());
    let [begin, part, end] = newer.snapshot(&Scope::Everything);
    for message in [begin, part] {
        agent.say(message).await?;
    }
    agent.say_bytes(UNKNOWN_MESSAGE.to_vec()).await?;
    agent.say(end).await?;
    let ack = agent.until("ack", |it| matches!(it, HubMessage::Ack(_))).await?;
    ensure!(
        matches!(&ack, HubMessage::Ack(ack) if ack.taken == 5),
        "of 3 known and 2 unknown resources the hub took {ack:?}"
    );
    system.until_served("web.example.com", "/", POD).await?;
    system.until_metric("hubline_ingest_messages", "unknown").await?;
    settle(&system, &mut agent, &mut newer, "later0").await?;
    ensure!(agent.asked().len() == 1, "the hub asked for {:?}", agent.asked());
    let cluster = system.api("/v1/clusters/a").await?;
    ensure!(
        cluster["phase"] == "Live" && cluster["problems"] == 0,
        "shown as {cluster}"
    );

    for name in ["later1", "later2"] {
        leave(&system, agent).await?;
        if name == "later2" {
            // What is unknown survives a restart of the hub too.
            system.stop_hub().await?;
            system.start_hub()?;
            phase(&system, "Stale").await?;
        }
        newer = newer.restarted();
        system.apisix.clear_calls();
        agent = system.script("a").await?;
        newer.open("a", &mut agent).await?;
        agent.say_bytes(UNKNOWN_MESSAGE.to_vec()).await?;
        let writes = settle(&system, &mut agent, &mut newer, name).await?;
        asked_for_nothing(&agent)?;
        ensure!(writes.is_empty(), "equal inventories wrote {writes:?}");
    }
    Ok(())
}

async fn an_older_agent_works() -> Result<()> {
    let _backend = backend(POD).await?;
    let mut app = App::new("http", "http.example.com", POD);
    app.source = GroupKind::new("gateway.networking.k8s.io", "HTTPRoute");
    let mut all = groups();
    all.push(group(ResourceKind::Route, "gateway.networking.k8s.io", "HTTPRoute"));
    let newer = Belongings::of(&all).with(web().resources()?).with(app.resources()?);
    let (system, agent) = served(&newer).await?;
    system.until_served("http.example.com", "/", POD).await?;
    leave(&system, agent).await?;

    // It knows no HTTPRoute, and answers whatever is asked with everything.
    let mut older = newer.clone().restarted();
    older.groups = groups();
    older.resources.remove(&app.route_key());
    older = older.with([App::new("web", "old.example.com", POD).route()?]);
    let mut agent = system.script("a").await?;
    let asked = older.open("a", &mut agent).await?;
    ensure!(asked.scope != Scope::NOTHING, "a change was not asked for");
    older.send(&Scope::Everything, &mut agent).await?;
    system.until_served("old.example.com", "/", POD).await?;
    let served = |host| system.get(host, "/");
    ensure!(
        served("http.example.com").await?.is_from(POD),
        "what was not mentioned is gone"
    );

    let mut delta = older.change(&[(web().route_key(), None)]);
    delta.touched.clear();
    let taken = older.send_delta(delta, &mut agent).await?;
    ensure!(taken == 1, "a delta without digests took {taken}");
    system
        .until_answer("old.example.com", "/", |it| it.status == 404)
        .await?;
    ensure!(agent.asked().len() == 1, "the hub asked for more: {:?}", agent.asked());
    leave(&system, agent).await?;
    older = older.restarted();
    system.apisix.clear_calls();
    let mut agent = system.script("a").await?;
    older.open("a", &mut agent).await?;
    let writes = settle(&system, &mut agent, &mut older, "later").await?;
    asked_for_nothing(&agent)?;
    ensure!(writes.is_empty(), "equal inventories wrote {writes:?}");
    ensure!(
        served("http.example.com").await?.is_from(POD),
        "what was not mentioned is gone"
    );
    Ok(())
}

async fn a_truncated_message_is_refused_and_nothing_is_lost() -> Result<()> {
    let _backend = backend(POD).await?;
    let mut good = Belongings::of(&groups()).with(web().resources()?);
    let (system, agent) = served(&good).await?;
    system.until_api("/v1/clusters/a", |it| it["phase"] == "Live").await?;
    leave(&system, agent).await?;
    system.apisix.clear_calls();
    for (bytes, words) in broken(&good)? {
        good = good.restarted();
        let mut agent = system.script("a").await?;
        good.open("a", &mut agent).await?;
        for message in bytes {
            agent.say_bytes(message).await?;
        }
        let status = agent.end().await?;
        ensure!(
            status.code() == Code::InvalidArgument && words.iter().all(|word| status.message().contains(word)),
            "told {status:?}, wanted {words:?}"
        );
        log::until(&["session ended", words[0]]).await?;
        phase(&system, "Stale").await?;
        ensure!(
            system.get("web.example.com", "/").await?.is_from(POD),
            "the last good is gone after {words:?}"
        );
    }
    for reason in ["malformed", "invalid-field"] {
        system.until_metric("hubline_ingest_refused", reason).await?;
    }
    good = good.restarted();
    let mut agent = system.script("a").await?;
    good.open("a", &mut agent).await?;
    let writes = settle(&system, &mut agent, &mut good, "later").await?;
    asked_for_nothing(&agent)?;
    ensure!(writes.is_empty(), "broken messages wrote {writes:?}");
    Ok(())
}

/// Messages of which the last is broken, and words of the error that it must get.
type Broken = (Vec<Vec<u8>>, &'static [&'static str]);

fn broken(good: &Belongings) -> Result<Vec<Broken>> {
    let wire = |message: AgentMessage| codec::to_agent_wire(message).encode_to_vec();
    let mut emptied = good.clone();
    emptied.resources.clear();
    let [begin, _, end] = emptied.snapshot(&Scope::Everything).map(wire);
    let (_, whole) = web().route()?;
    let half = EncodedResource::from_bytes(whole.bytes().slice(..whole.bytes().len() / 2));
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 1].to_vec();
    let mut delta = codec::to_agent_wire(AgentMessage::Delta(good.clone().change(&[(web().route_key(), None)])));
    if let Some(proto::agent_message::Message::Delta(delta)) = &mut delta.message {
        delta.touched[0].digest = vec![0; 15].into();
    }
    Ok(vec![
        (vec![vec![0xff; 7]], &["not a message of hubline.v1"]),
        (vec![begin.clone(), cut(end)], &["not a message of hubline.v1"]),
        (
            vec![begin, wire(AgentMessage::SnapshotPart(vec![half]))],
            &["message snapshot_part", "not a message of hubline.v1"],
        ),
        (
            vec![delta.encode_to_vec()],
            &["message delta", "field delta.touched.digest", "16 are needed"],
        ),
    ])
}

/// The nacks that were heard.
fn nacks(agent: &Scripted) -> Vec<&hubline::wire::Nack> {
    let heard = agent.heard().iter();
    heard
        .filter_map(|message| match message {
            HubMessage::Nack(nack) => Some(nack),
            _ => None,
        })
        .collect()
}

fn quarantined(message: &HubMessage, key: &Key) -> bool {
    let told = |statuses: &hubline::wire::Status| {
        let mut statuses = statuses.statuses.iter();
        statuses.any(|it| it.key == *key && it.condition == "Quarantined" && !it.gone)
    };
    matches!(message, HubMessage::Status(status) if told(status))
}

async fn a_refused_resource_is_nacked_once() -> Result<()> {
    let _backend = backend(POD).await?;
    let other = App::new("other", "other.example.com", POD);
    let mut belongings = Belongings::of(&groups())
        .with(web().resources()?)
        .with(other.resources()?);
    let (mut system, mut agent) = served(&belongings).await?;
    let (key, bad) = web().invalid_route("not a host")?;
    let (next_key, next) = App::new("other", "next.example.com", POD).route()?;
    let delta = belongings.change(&[(key.clone(), Some(bad.clone())), (next_key, Some(next))]);
    let taken = belongings.send_delta(delta, &mut agent).await?;
    ensure!(taken == 1, "of one good and one bad resource {taken} were taken");
    let [nack] = nacks(&agent)[..] else {
        anyhow::bail!("nacked {:?}", nacks(&agent))
    };
    ensure!(
        nack.key == key && nack.content_hash == bad.hash() && nack.message.contains("field route.hosts"),
        "nacked {nack:?}"
    );
    agent.until("quarantine", |it| quarantined(it, &key)).await?;
    system.until_served("next.example.com", "/", POD).await?;
    ensure!(
        system.get("web.example.com", "/").await?.is_from(POD),
        "its last good is gone"
    );
    system.until_api("/v1/problems", |it| told(it, "web")).await?;

    let delta = belongings.change(&[(key.clone(), Some(bad))]);
    belongings.send_delta(delta, &mut agent).await?;
    settle(&system, &mut agent, &mut belongings, "later0").await?;
    ensure!(
        nacks(&agent).len() == 1,
        "the same content was nacked again: {:?}",
        nacks(&agent)
    );
    leave(&system, agent).await?;
    agent = reconnected(&system, &mut belongings, &key, "later1").await?;
    ensure!(nacks(&agent).is_empty(), "nacked again: {:?}", nacks(&agent));
    asked_for_nothing(&agent)?;

    // A hub that forgot what it refused asks for it, once, and says so again, once.
    leave(&system, agent).await?;
    system.stop_hub().await?;
    system.start_hub()?;
    phase(&system, "Stale").await?;
    agent = reconnected(&system, &mut belongings, &key, "later2").await?;
    ensure!(nacks(&agent).len() == 1, "nacked {:?}", nacks(&agent));
    ensure!(agent.asked().len() == 1, "asked {:?}", agent.asked());
    ensure!(
        system.get("web.example.com", "/").await?.is_from(POD),
        "its last good is gone"
    );

    let delta = belongings.change(&[(key.clone(), None)]);
    belongings.send_delta(delta, &mut agent).await?;
    agent.until("the end of it", |it| gone(it, &key)).await?;
    system.until_api("/v1/problems", |it| !told(it, "web")).await?;
    let absent = system.until_answer("web.example.com", "/", |it| it.status == 404);
    absent.await.map(drop)
}

/// Another session of the same agent, up to a later change; its statuses say what is refused.
async fn reconnected(system: &System, belongings: &mut Belongings, key: &Key, later: &str) -> Result<Scripted> {
    *belongings = belongings.clone().restarted();
    let mut agent = synchronize(system, belongings).await?;
    settle(system, &mut agent, belongings, later).await?;
    if !agent.heard().iter().any(|it| quarantined(it, key)) {
        agent.until("quarantine", |it| quarantined(it, key)).await?;
    }
    Ok(agent)
}

fn told(problems: &serde_json::Value, name: &str) -> bool {
    let items = problems["items"].as_array();
    items.is_some_and(|items| {
        items
            .iter()
            .any(|item| item["kind"] == "Quarantined" && item["name"] == name)
    })
}

fn gone(message: &HubMessage, key: &Key) -> bool {
    matches!(message, HubMessage::Status(status) if status.statuses.iter().any(|it| it.key == *key && it.gone))
}

async fn takeover() -> Result<()> {
    let _backend = backend(POD).await?;
    let run = |counter| -> Result<Belongings> {
        let mut belongings = Belongings::of(&groups()).with(web().resources()?);
        belongings.epoch.counter = counter;
        Ok(belongings)
    };
    let (mut old, mut new, lower) = (run(5)?, run(6)?, run(4)?);
    let (system, mut first) = served(&old).await?;
    let superseded = |by: &'static str| move |it: &HubMessage| matches!(it, HubMessage::Superseded(it) if it == by);

    let mut second = system.script("a").await?;
    new.open("a", &mut second).await?;
    asked_for_nothing(&second)?;
    first.until("superseded", superseded("agent-6-1")).await?;
    // It is no longer heard, nor is one of an older run.
    first
        .say(AgentMessage::Delta(old.change(&[(web().route_key(), None)])))
        .await?;
    let mut third = system.script("a").await?;
    third.say(lower.hello("a")).await?;
    third.until("superseded", superseded("agent-6-1")).await?;
    ensure!(third.heard().len() == 1, "one that stands by heard {:?}", third.heard());
    let writes = settle(&system, &mut second, &mut new, "later").await?;
    ensure!(
        !writes.iter().any(|call| call.method == "DELETE"),
        "one that is superseded wrote {writes:?}"
    );
    ensure!(
        system.get("web.example.com", "/").await?.is_from(POD),
        "it removed a route"
    );
    ensure!(second.asked().len() == 1, "the hub asked for {:?}", second.asked());
    let cluster = system.api("/v1/clusters/a").await?;
    ensure!(cluster["instance"] == "agent-6-1", "shown as {cluster}");

    // Those that stand by may speak when it is gone.
    drop(second);
    for agent in [&mut first, &mut third] {
        let status = agent.end().await?;
        ensure!(
            status.code() == Code::Unavailable && status.message().contains("say hello again"),
            "told {status:?}"
        );
    }
    let mut fourth = system.script("a").await?;
    old = old.restarted();
    old.open("a", &mut fourth)
        .await
        .context("the older run is not heard")
        .map(drop)
}
