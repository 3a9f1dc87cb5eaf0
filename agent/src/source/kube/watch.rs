//! One kind: listed in pages, then watched.

use std::pin::pin;
use std::time::Duration;

use ::kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use ::kube::runtime::watcher::{self, Event, watcher};
use ::kube::{Api, Client};
use futures::{Stream, TryStreamExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::installed::{self, Installed};
use super::words;
use crate::source::{Coverage, Kind, Name, ObjectId, Reported, SourceEvent, Watched, quotes_nothing};

/// A watch that worked for so long is a good one, and the next failure begins with short pauses again.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Objects in one page of a listing. A page is decoded whole, some 10 KB an object before it is cut down, and the
/// largest kinds are listed at the same time; a page of kube's own 500 would be most of an agent's memory.
const PAGE: u32 = 200;

/// What a 404 for a custom kind means. Its own words, "404 page not found", would tell nobody.
pub(super) const UNKNOWN_KIND: &str = "404: the API server does not know this kind";

/// What is done about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    /// Say it and list anew: kube's watcher would go on silently, and nobody would learn that the fault is over.
    ListAnew(String),
    /// Say it; the watcher lists anew by itself.
    Report(String),
    /// The API server does not know the kind: unless its definition does not exist either, say it and list anew.
    LookForDefinition(String),
    /// A connection ended or a version expired, as they do every day: the watcher helps itself.
    GoOn,
}

/// Why one watcher is followed no longer.
enum End {
    /// The kind is to be listed anew.
    ListAnew,
    /// The kind is not installed.
    Absent,
    /// Nobody reads the events.
    Unread,
}

/// Follows one kind for ever, or until nobody reads the events.
pub(super) async fn follow<K: Watched>(client: Client, events: mpsc::Sender<SourceEvent>) {
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    let config = watcher::Config {
        field_selector: K::WATCHED.field_selector().map(str::to_owned),
        // A connection that died without a word is noticed five seconds after this; kube's own is 290.
        timeout: Some(60),
        page_size: Some(PAGE),
        ..watcher::Config::default()
    };
    let mut backoff = Backoff::default();
    loop {
        let stream = watcher(api.clone(), config.clone());
        match follow_stream::<K>(stream, &client, &events, &mut backoff).await {
            End::ListAnew => {}
            End::Absent => {
                installed::wait_while_absent::<K>(&client).await;
                backoff = Backoff::default();
            }
            End::Unread => return,
        }
    }
}

/// Follows one watcher.
async fn follow_stream<K: Watched>(
    stream: impl Stream<Item = watcher::Result<Event<DeserializeGuard<K>>>>,
    client: &Client,
    events: &mpsc::Sender<SourceEvent>,
    backoff: &mut Backoff,
) -> End {
    let mut stream = pin!(stream);
    let mut listed: Option<Instant> = None;
    loop {
        let error = match stream.try_next().await {
            Ok(None) => return End::ListAnew,
            Ok(Some(event)) => {
                if matches!(event, Event::InitDone) {
                    listed = Some(Instant::now());
                }
                let reported = reported(&event).map(|(id, reported)| SourceEvent::Reported(id, Box::new(reported)));
                for event in reported.into_iter().chain([mapped(event)]) {
                    if events.send(event).await.is_err() {
                        return End::Unread;
                    }
                }
                continue;
            }
            Err(error) => error,
        };
        if listed.take().is_some_and(|since| since.elapsed() >= GOOD_FOR) {
            *backoff = Backoff::default();
        }
        let Some(reaction) = unless_absent::<K>(client, reaction(K::WATCHED, &error)).await else {
            return tell_absent(K::WATCHED, events).await;
        };
        if let Reaction::ListAnew(reason) | Reaction::Report(reason) = &reaction {
            let (kind, reason) = (K::WATCHED, reason.clone());
            warn!(kind = kind.name(), reason, "kind cannot be listed or watched");
            if events.send(SourceEvent::Failed { kind, reason }).await.is_err() {
                return End::Unread;
            }
        }
        tokio::time::sleep(backoff.pause()).await;
        if matches!(reaction, Reaction::ListAnew(_)) {
            return End::ListAnew;
        }
    }
}

/// What is done about a failure, once the definition was looked for; none when it does not exist.
async fn unless_absent<K: Watched>(client: &Client, reaction: Reaction) -> Option<Reaction> {
    let Reaction::LookForDefinition(reason) = reaction else {
        return Some(reaction);
    };
    let reason = match installed::ask::<K>(client).await {
        Installed::No => return None,
        Installed::Yes => format!("{reason} (although it is installed)"),
        Installed::Unknown(why) => format!("{reason} (and whether it is installed is unknown: {why})"),
    };
    Some(Reaction::ListAnew(reason))
}

/// A kind that is not installed has no objects: a complete listing of nothing. It begins anew, since a listing may have
/// been cut after its first page.
async fn tell_absent(kind: Kind, events: &mpsc::Sender<SourceEvent>) -> End {
    info!(kind = kind.name(), "kind is not installed");
    let coverage = Coverage::All;
    for event in [SourceEvent::Begin(kind), SourceEvent::End { kind, coverage }] {
        if events.send(event).await.is_err() {
            return End::Unread;
        }
    }
    End::Absent
}

pub(super) fn reaction(kind: Kind, error: &watcher::Error) -> Reaction {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)
            if kind.is_custom() && is_not_found(error) =>
        {
            Reaction::LookForDefinition(UNKNOWN_KIND.to_owned())
        }
        watcher::Error::InitialListFailed(error) => Reaction::Report(words(error)),
        watcher::Error::WatchStartFailed(error) => Reaction::ListAnew(words(error)),
        watcher::Error::WatchError(status) if status.code == 410 => Reaction::GoOn,
        watcher::Error::WatchError(status) => {
            Reaction::ListAnew(format!("{} {}: {}", status.code, status.reason, status.message))
        }
        watcher::Error::WatchFailed(error) => refusal(kind, error),
        watcher::Error::NoResourceVersion => Reaction::ListAnew(error.to_string()),
    }
}

/// What the status of an event's object says.
pub(super) fn reported<K: Watched>(event: &Event<DeserializeGuard<K>>) -> Option<(ObjectId, Reported)> {
    let (Event::InitApply(DeserializeGuard(Ok(object))) | Event::Apply(DeserializeGuard(Ok(object)))) = event else {
        return None;
    };
    let (kind, name) = (K::WATCHED, Name::of(object.meta()));
    if !kind.is_reported() {
        return None;
    }
    Some((ObjectId { kind, name }, object.reported(kind)?))
}

/// A watch that is refused from the start comes as one that failed: kube reads an answer of any status as events. What
/// the server may overcome by itself is left to the watcher, as client-go does it: the same watch again.
fn refusal(kind: Kind, error: &::kube::Error) -> Reaction {
    match error {
        ::kube::Error::Api(status) if status.code == 429 || status.code >= 500 => Reaction::GoOn,
        // "404 page not found" is no JSON.
        ::kube::Error::SerdeError(_) if kind.is_custom() => Reaction::LookForDefinition(words(error)),
        ::kube::Error::Api(_) if kind.is_custom() && is_not_found(error) => {
            Reaction::LookForDefinition(UNKNOWN_KIND.to_owned())
        }
        ::kube::Error::Api(_) | ::kube::Error::SerdeError(_) => Reaction::ListAnew(words(error)),
        _ => Reaction::GoOn,
    }
}

fn is_not_found(error: &::kube::Error) -> bool {
    matches!(error, ::kube::Error::Api(status) if status.code == 404)
}

/// A watcher's event as a source's.
pub(super) fn mapped<K: Watched>(event: Event<DeserializeGuard<K>>) -> SourceEvent {
    let kind = K::WATCHED;
    match event {
        Event::Init => SourceEvent::Begin(kind),
        Event::InitApply(DeserializeGuard(Ok(object))) => SourceEvent::Listed(Box::new(object.slim())),
        Event::Apply(DeserializeGuard(Ok(object))) => SourceEvent::Apply(Box::new(object.slim())),
        Event::InitApply(DeserializeGuard(Err(invalid))) | Event::Apply(DeserializeGuard(Err(invalid))) => {
            malformed(kind, invalid)
        }
        Event::Delete(DeserializeGuard(Ok(object))) => SourceEvent::Delete(object.slim().id()),
        Event::Delete(DeserializeGuard(Err(invalid))) => SourceEvent::Delete(id(kind, &invalid)),
        Event::InitDone => SourceEvent::End {
            kind,
            coverage: match kind.field_selector() {
                Some(_) => Coverage::Selected,
                None => Coverage::All,
            },
        },
    }
}

fn id(kind: Kind, invalid: &InvalidObject) -> ObjectId {
    let name = Name::of(&invalid.metadata);
    ObjectId { kind, name }
}

fn malformed(kind: Kind, invalid: InvalidObject) -> SourceEvent {
    let id = id(kind, &invalid);
    let reason = match kind {
        // The parser's words quote what it found.
        Kind::Secret => "its data is not a map of base64 texts".to_owned(),
        _ if kind.may_hold_credentials() && !quotes_nothing(&invalid.error) => {
            "it does not fit its kind (what is wrong is not shown, since it may quote credentials)".to_owned()
        }
        _ => invalid.error,
    };
    SourceEvent::Malformed { id, reason }
}
