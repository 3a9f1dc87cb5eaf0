//! In-process, under paused time: bounds, cuts, silence.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hubline::wire::{AgentMessage, EncodedResource, HubMessage, codec};
use tokio::time::Instant;
use tonic::Code;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::super::*;
use super::support::*;
use crate::cluster::tests::support as model;

async fn opened(hub: &Hub) -> Agent {
    let mut agent = Agent::open(hub.connect("a").await).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Welcome(_)));
    agent
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_cut_in_the_middle_changes_nothing() {
    let mut hub = Hub::new(Settings::default());
    let free = hub.ingest.0.memory.available_permits();
    let mut agent = opened(&hub).await;
    assert!(matches!(agent.hear().await.unwrap(), HubMessage::Resync(_)));
    let [begin, part, _] = snapshot(&super::support::agent());
    agent.say(begin).await;
    agent.say(part).await;
    // The answer says that what was sent before has arrived.
    agent.say(AgentMessage::Heartbeat(1, false)).await;
    assert_eq!(agent.hear().await.unwrap(), HubMessage::Heartbeat(1, true));
    assert!(hub.ingest.0.memory.available_permits() < free);
    drop(agent);
    hub.handled("closed").await;
    assert_eq!(hub.resources(), 0);
    assert!(!hub.handled.borrow().contains(&"snapshot"));
    hub.ingest
        .0
        .memory
        .acquire_many(u32::try_from(free).unwrap())
        .await
        .unwrap()
        .forget();
}

#[tokio::test(start_paused = true)]
async fn who_says_no_hello_is_sent_away() {
    let hub = Hub::new(Settings::default());
    let began = Instant::now();
    let mut agent = Agent::open(hub.connect("a").await).await.unwrap();
    let end = agent.end().await;
    assert_eq!(
        (end.code(), end.message()),
        (Code::DeadlineExceeded, "no hello within 10 s")
    );
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn silence_of_three_heartbeats_ends_a_session() {
    let mut hub = Hub::new(Settings::default());
    let mut agent = opened(&hub).await;
    for message in snapshot(&super::support::agent()) {
        agent.say(message).await;
    }
    let end = agent.end().await;
    assert_eq!(
        (end.code(), end.message()),
        (Code::DeadlineExceeded, "no message within 15 s")
    );
    hub.handled("closed").await;
    assert_eq!(hub.resources(), 2, "silence withdraws nothing");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_takes_long_on_a_slow_line_is_no_silence() {
    let hub = Hub::new(Settings::default());
    // Names that do not compress: one part of some 200 KB, which takes 100 s.
    let names: Vec<_> = (0..10_000_u32)
        .map(|number| blake3::hash(&number.to_le_bytes()).to_hex())
        .collect();
    let names: Vec<_> = names.iter().map(|name| name.as_str().split_at(32).0).collect();
    let model = model::Agent::new(1, 1).with(&model::entries(&names, 1));
    let mut agent = Agent::open(hub.connect_slowly("a", 2_000).await).await.unwrap();
    let began = Instant::now();
    agent.say(hello(&model)).await;
    for message in snapshot(&model) {
        agent.say(message).await;
    }
    let (mut beats, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    let ack = loop {
        let message = agent.hear().await.unwrap();
        longest = longest.max(last.elapsed());
        last = Instant::now();
        match message {
            HubMessage::Ack(ack) => break ack,
            HubMessage::Heartbeat(_, false) => beats += 1,
            _ => {}
        }
    };
    assert_eq!((ack.taken, hub.resources()), (10_000, 10_000));
    assert!(
        began.elapsed().as_secs() > 60,
        "the line was not slow: {:?}",
        began.elapsed()
    );
    assert!(
        beats > 10 && longest <= Duration::from_secs(5),
        "{beats} beats, {longest:?} of silence"
    );
    // And the core, which calls a cluster stale after 15 s, heard of it all the time.
    let heard = hub.handled.borrow().iter().filter(|kind| **kind == "other").count();
    assert!(
        heard as u64 * 15 > began.elapsed().as_secs(),
        "the core heard {heard} times"
    );
}

#[tokio::test(start_paused = true)]
async fn bounds_are_kept() {
    let small = Settings {
        max_snapshot_bytes: 100,
        ..Settings::default()
    };
    let few = Settings {
        max_resources: 1,
        ..Settings::default()
    };
    let busy = Settings {
        max_waiting_bytes: 10,
        ..Settings::default()
    };
    for (settings, code, words) in [
        (small, Code::ResourceExhausted, "more than 100 bytes"),
        (few, Code::ResourceExhausted, "more than 1 resources"),
        (busy, Code::Unavailable, "try again"),
    ] {
        let hub = Hub::new(settings);
        let mut agent = opened(&hub).await;
        for message in snapshot(&super::support::agent()) {
            agent.say(message).await;
        }
        let end = agent.end().await;
        assert_eq!(end.code(), code, "{end:?}");
        assert!(end.message().contains(words), "{end:?}");
        assert_eq!(hub.resources(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_is_named_and_the_last_good_stays() {
    let unreadable = EncodedResource::from_bytes(vec![0xFF, 0xFF].into());
    let mut no_digest = codec::to_agent_wire(snapshot(&agent())[2].clone());
    if let Some(proto::agent_message::Message::SnapshotEnd(end)) = &mut no_digest.message {
        end.digest = vec![1, 2, 3].into();
    }
    let [begin, part, end] = snapshot(&agent()).map(codec::to_agent_wire);
    let wire = |message| codec::to_agent_wire(message);
    let again = wire(hello(&agent()));
    let broken_part = wire(AgentMessage::SnapshotPart(vec![unreadable]));
    for (messages, words) in [
        (vec![no_digest], "snapshot_end.digest"),
        (vec![part], "snapshot_part without snapshot_begin"),
        (vec![end], "snapshot_end without snapshot_begin"),
        (vec![again], "hello came twice"),
        (vec![begin, broken_part], "snapshot_part: not a message"),
    ] {
        let mut hub = Hub::new(Settings::default());
        let mut agent = opened(&hub).await;
        for message in snapshot(&super::support::agent()) {
            agent.say(message).await;
        }
        hub.handled("snapshot").await;
        for message in messages {
            agent.say_raw(message).await;
        }
        let end = agent.end().await;
        assert_eq!(end.code(), Code::InvalidArgument, "{end:?}");
        assert!(end.message().contains(words), "{end:?}");
        assert_eq!(hub.resources(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_bound_is_refused() {
    let hub = Hub::new(Settings::default());
    let mut agent = opened(&hub).await;
    let [begin, ..] = snapshot(&super::support::agent());
    agent.say(begin).await;
    // Compressed it is tiny: the bound is on what it becomes.
    let part = proto::SnapshotPart {
        resources: vec![vec![0; 1 << 20].into(); 5],
    };
    let message = Some(proto::agent_message::Message::SnapshotPart(part));
    agent.say_raw(proto::AgentMessage { message }).await;
    let end = agent.end().await;
    assert!(end.message().contains("4194304"), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_is_closed_and_hinders_nobody() {
    let mut hub = Hub::new(Settings::default());
    let agent = opened(&hub).await;
    hub.handled("opened").await;
    let session = hub.cluster.lock().unwrap().session().unwrap();
    let instance = "x".repeat(1 << 16);
    for _ in 0..10_000 {
        hub.sessions.send(session, HubMessage::Superseded(instance.clone()));
    }
    hub.handled("closed").await;
    assert_eq!(hub.sessions.count(), 0);
    drop(agent);
}

/// Deltas of some 64 KiB, each with one resource.
fn delta(revision: u64) -> AgentMessage {
    let noise = blake3::Hasher::new().update(&revision.to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; 48 << 10];
    { noise }.fill(&mut bytes);
    let text: String = bytes.iter().map(|byte| char::from(b'!' + byte % 90)).collect();
    AgentMessage::Delta(hubline::wire::Delta {
        base_revision: revision - 1,
        revision,
        upserts: vec![crate::cluster::tests::support::wordy("x", &text)],
        removals: Vec::new(),
        touched: Vec::new(),
    })
}

#[tokio::test(start_paused = true)]
async fn a_stalled_core_holds_back_its_agents_and_loses_nothing() {
    const CAPACITY: usize = 4;
    let (hub, mut events, _handled_by) = Hub::stalled(Settings::default(), CAPACITY);
    let agent = Agent::open(hub.connect("a").await).await.unwrap();
    agent.say(hello(&super::support::agent())).await;
    let mut said = 0;
    // An agent may say no more when the line is full: then its own state coalesces.
    while said < 10_000
        && tokio::time::timeout(Duration::from_secs(1), agent.say(delta(said + 1)))
            .await
            .is_ok()
    {
        said += 1;
    }
    // In between lie the windows of HTTP/2 (1 MiB at most), the pipe of this test (1 MiB) and the agent's 16 messages.
    assert!(
        (CAPACITY as u64..100).contains(&said),
        "{said} deltas were taken by a core that takes none"
    );
    assert_eq!(events.len(), CAPACITY);
    let mut revisions = Vec::new();
    while (revisions.len() as u64) < said {
        if let Event::Delta { delta, .. } = events.recv().await.unwrap().event {
            revisions.push(delta.revision);
        }
    }
    assert_eq!(revisions, (1..=said).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn more_sessions_than_allowed_wait_outside() {
    let settings = Settings {
        max_sessions: 1,
        ..Settings::default()
    };
    let hub = Hub::new(settings);
    let first = opened(&hub).await;
    let second = Agent::open(hub.connect("a").await).await;
    assert_eq!(second.err().map(|status| status.code()), Some(Code::Unavailable));
    drop(first);
}

/// Sends bytes as they are: a message cut short by a broken program.
#[derive(Debug, Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[tokio::test(start_paused = true)]
async fn a_truncated_message_ends_its_session_with_a_clear_error() {
    let mut hub = Hub::new(Settings::default());
    let mut client = tonic::client::Grpc::new(hub.connect("a").await);
    client.ready().await.unwrap();
    // Field 1 (hello) of 100 bytes, of which two come.
    let truncated = futures::stream::iter([Bytes::from_static(&[0x0A, 100, 1, 2])]);
    let path = PathAndQuery::from_static("/hubline.v1.Hubline/Stream");
    let response = client.streaming(Request::new(truncated), path, Raw).await.unwrap();
    let end = response.into_inner().message().await.unwrap_err();
    assert_eq!(end.code(), Code::InvalidArgument, "{end:?}");
    assert!(end.message().contains("not a message of hubline.v1"), "{end:?}");
    hub.handled("closed").await;
}
