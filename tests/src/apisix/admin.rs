//! The Admin API: from a request to an answer, with no I/O.
//!
//! `answer` is shapes of answers, `target` reads paths, `check` decides whether an object may be
//! written, `write` and `read` do it, `describe` tells schemas and plugins.

use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::time::Instant;

use super::state::State;
use super::uri::{Query, percent_decode};

mod answer;
mod check;
mod describe;
mod patch;
mod plugins;
mod read;
mod target;
mod write;

pub(crate) use answer::{Answer, Body, html_page};
use target::Target;

/// Bodies over 1.5 MiB are refused.
const MAX_BODY: usize = 1_572_864;

/// The keys that are accepted.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) admin: String,
    pub(crate) viewer: String,
}

/// A request as the Admin API looks at it.
#[derive(Debug)]
pub(crate) struct AdminRequest<'a> {
    pub(crate) method: &'a Method,
    /// as sent, still encoded
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    /// seconds since 1970
    pub(crate) time: i64,
    pub(crate) now: Instant,
}

/// What every handler may look at.
struct Context<'a> {
    state: &'a mut State,
    query: Query,
    time: i64,
    now: Instant,
}

/// Answers one request, and writes what it asks for.
pub(crate) fn handle(state: &mut State, keys: &Keys, request: &AdminRequest<'_>) -> Answer {
    answer(state, keys, request).unwrap_or_else(|refused| refused)
}

fn answer(state: &mut State, keys: &Keys, request: &AdminRequest<'_>) -> Result<Answer, Answer> {
    let path = percent_decode(request.path);
    let Some(below) = path.strip_prefix("/apisix/admin/") else {
        return Err(Answer::page(404));
    };
    match request.method.as_str() {
        "OPTIONS" => return Ok(Answer::options()),
        "GET" | "PUT" | "POST" | "PATCH" | "DELETE" => {}
        _ => return Err(Answer::page(404)),
    }
    let query = Query::parse(request.query);
    authorize(keys, request, &query)?;
    let mut context = Context {
        state,
        query,
        time: request.time,
        now: request.now,
    };
    let answer = dispatch(&mut context, below, request)?;
    // nginx answers so itself: whatever exists matches `*`.
    let known = request.headers.get("if-none-match").is_some_and(|tag| tag == "*");
    Ok(if known && answer.status == 200 {
        answer.not_modified()
    } else {
        answer
    })
}

fn authorize(keys: &Keys, request: &AdminRequest<'_>, query: &Query) -> Result<(), Answer> {
    let header = request.headers.get("x-api-key").and_then(|key| key.to_str().ok());
    let Some(key) = query.get("api_key").or(header) else {
        return Err(Answer::unauthorized("missing apikey"));
    };
    if key == keys.admin {
        Ok(())
    } else if key != keys.viewer {
        Err(Answer::unauthorized("wrong apikey"))
    } else if request.method == Method::GET {
        Ok(())
    } else {
        Err(Answer::unauthorized("invalid method for role viewer"))
    }
}

fn dispatch(context: &mut Context<'_>, below: &str, request: &AdminRequest<'_>) -> Result<Answer, Answer> {
    let method = request.method.as_str();
    let segments: Vec<&str> = below.split('/').collect();
    if let Some(answer) = describe::handle(context, method, &segments, request.body)? {
        return Ok(answer);
    }
    let target = Target::parse(&segments)?;
    let body = parse_body(request.body)?;
    let time_to_live = time_to_live(&context.query)?;
    if !target.kind.supports(method) {
        let noun = target.kind.noun();
        let message = format!("not supported `{method}` method for {noun}");
        return Err(Answer::error(405, &message));
    }
    match method {
        "GET" => read::get(context, &target),
        "PUT" => write::put(context, &target, body, time_to_live),
        "POST" => write::post(context, &target, body, time_to_live),
        "PATCH" => write::patch(context, &target, body, time_to_live),
        _ => write::delete(context, &target),
    }
}

/// The body as JSON; none if there is none.
fn parse_body(body: &[u8]) -> Result<Option<Value>, Answer> {
    if body.len() > MAX_BODY {
        let size = body.len();
        let message = format!(
            "invalid request body: request size {size} is greater than the maximum size \
             {MAX_BODY} allowed"
        );
        return Err(Answer::error(400, &message).unversioned());
    }
    if body.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|_| Answer::bad_json(body))
}

fn time_to_live(query: &Query) -> Result<Option<f64>, Answer> {
    match query.get("ttl").map(str::parse) {
        None => Ok(None),
        Some(Ok(seconds)) => Ok(Some(seconds)),
        Some(Err(_)) => Err(Answer::error(400, "invalid argument ttl: should be a number").unversioned()),
    }
}
