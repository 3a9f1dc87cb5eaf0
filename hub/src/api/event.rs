//! `/v1/events`: what happens to paths, as server-sent events that a reader who was away goes on with.
//!
//! An event's id is `RUN-NUMBER`: numbers begin anew with each run of the hub, and `RUN` is a random word of this one, so
//! that a number of another run is not taken for one of this.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::ApiState;
use super::query::Parameters;
use super::refusal::Refusal;
use crate::path::log::{KEPT, Numbered, PathLog};

/// Where a reader that was away goes on.
const LAST_EVENT_ID: &str = "last-event-id";

/// Readers at the same time. Each holds at most one copy of the kept records' pointers.
pub(super) const MAX_READERS: usize = 64;

/// Cancelled when the hub ends: an event stream has no end of its own, and would hold up all.
#[derive(Debug, Clone, Default)]
pub(super) struct Ending(pub(super) CancellationToken);

/// This run of the hub, as it stands in ids.
#[derive(Debug, Clone)]
pub(super) struct Run(Arc<str>);

impl Run {
    pub(super) fn new() -> Self {
        Self(format!("{:08x}", rand::random::<u32>()).into())
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.0)
    }

    /// The number behind an id of this run.
    fn number(&self, id: &str) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        (run == &*self.0).then_some(number)?.parse().ok()
    }
}

pub(super) async fn follow(State(state): State<ApiState>, request: Request) -> Result<Response, Refusal> {
    let parameters = Parameters::read(request.uri(), &["after", "last", "follow"])?;
    let follow = parameters.choice("follow", &[("true", true), ("false", false)])?;
    let log = state.paths()?.log().clone();
    let last = log.last();
    let begin = begin(&state.run, *last.borrow(), request.headers(), &parameters)?;
    let ending = request.extensions().get::<Ending>().cloned().unwrap_or_default();
    let reader = Reader {
        place: place(&state)?,
        run: state.run.clone(),
        last,
        log,
        at: begin,
        next: VecDeque::from([Item::Begin(begin)]),
        follow: follow.unwrap_or(true),
        ending: ending.0,
    };
    let events = Sse::new(stream::unfold(reader, Reader::step)).keep_alive(KeepAlive::default());
    Ok(events.into_response())
}

fn place(state: &ApiState) -> Result<OwnedSemaphorePermit, Refusal> {
    let place = Arc::clone(&state.readers).try_acquire_owned();
    place.map_err(|_| {
        let reason = "too many read events already; end one of them, or ask with follow=false later";
        let allowed = [format!("at most {MAX_READERS} readers")];
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "TooManyReaders", reason, &allowed)
    })
}

/// The number after which events are sent. What this run does not know begins with everything that is kept.
fn begin(run: &Run, now: u64, headers: &HeaderMap, parameters: &Parameters) -> Result<u64, Refusal> {
    let (after, last) = (parameters.text("after"), parameters.number("last", KEPT)?);
    if after.is_some() && last.is_some() {
        let reason = "parameters \"after\" and \"last\" exclude each other";
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "InvalidValue",
            reason,
            &["after", "last"],
        ));
    }
    let known = |number: Option<u64>| number.filter(|number| *number <= now).unwrap_or(0);
    // A browser asks with the same parameters when it comes back, and with where it was.
    if let Some(id) = headers.get(LAST_EVENT_ID) {
        return Ok(known(id.to_str().ok().and_then(|id| run.number(id))));
    }
    match (after, last) {
        (Some(text), _) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(known(text.parse().ok())),
        (Some(id), _) if id.contains('-') => Ok(known(run.number(id))),
        (Some(text), _) => {
            let reason = format!("parameter \"after\" has the value {text:?}, which is not allowed");
            let allowed = ["the id of an event, as 3f2a91c4-17", "its number, as 17"];
            Err(Refusal::new(StatusCode::BAD_REQUEST, "InvalidValue", reason, &allowed))
        }
        (None, Some(last)) => Ok(now.saturating_sub(last as u64)),
        (None, None) => Ok(now),
    }
}

/// What is sent next.
#[derive(Debug)]
enum Item {
    /// Where the reader is, so that one that is cut off before the first event misses none.
    Begin(u64),
    /// Records before this number are no longer kept, so many.
    Gap {
        before: u64,
        missed: u64,
    },
    Record(Numbered),
}

/// One reader.
#[derive(Debug)]
struct Reader {
    run: Run,
    log: PathLog,
    last: watch::Receiver<u64>,
    /// The number of the last record that was taken.
    at: u64,
    /// At most as many as the log keeps, and one more.
    next: VecDeque<Item>,
    follow: bool,
    ending: CancellationToken,
    #[expect(dead_code, reason = "held while it reads")]
    place: OwnedSemaphorePermit,
}

impl Reader {
    async fn step(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(item) = self.next.pop_front() {
                return Some((Ok(event(&self.run, &item)), self));
            }
            // Before looking, so that what comes meanwhile is not waited for.
            self.last.mark_unchanged();
            self.take();
            if self.next.is_empty() {
                if !self.follow {
                    return None;
                }
                let changed = self.last.changed();
                self.ending.run_until_cancelled(changed).await?.ok()?;
            }
        }
    }

    /// What came since.
    fn take(&mut self) {
        for record in self.log.after(self.at) {
            let (number, missed) = (record.number, record.number - self.at - 1);
            if missed > 0 {
                self.next.push_back(Item::Gap { before: number, missed });
            }
            self.at = number;
            self.next.push_back(Item::Record(record));
        }
    }
}

fn event(run: &Run, item: &Item) -> Event {
    match item {
        Item::Begin(number) => Event::default().id(run.id(*number)).comment("events follow"),
        Item::Gap { before, missed } => Event::default()
            .id(run.id(before - 1))
            .event("gap")
            .data(json!({"event": "gap", "missed": missed}).to_string()),
        Item::Record(record) => {
            let data = serde_json::to_value(&*record.record).unwrap_or(Value::Null);
            let kind = data["event"].as_str().unwrap_or("unknown").to_owned();
            Event::default()
                .id(run.id(record.number))
                .event(kind)
                .data(data.to_string())
        }
    }
}
