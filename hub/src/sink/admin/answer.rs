//! What answers of the Admin API mean. The words are those recorded from 3.16.0 (`reference/admin-etcd.jsonl`).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::object::ObjectKind;
use crate::sink::actual::normalised_hash;
use crate::sink::{SinkError, Written};

/// Most characters that are kept of the target's words.
const MAX_MESSAGE_CHARS: usize = 300;

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error_msg: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Stored {
    value: Map<String, Value>,
}

impl Answer {
    /// The body of a successful GET.
    pub(super) fn of_get(self) -> Result<Vec<u8>, SinkError> {
        match self.status {
            200 => Ok(self.body),
            _ => Err(self.error(None)),
        }
    }

    /// What a PUT stored: the body repeats it.
    pub(super) fn of_put(&self, kind: ObjectKind) -> Result<Written, SinkError> {
        if !matches!(self.status, 200 | 201) {
            return Err(self.error(Some(kind)));
        }
        let stored: Option<Stored> = serde_json::from_slice(&self.body).ok();
        let stored = stored.map(|stored| normalised_hash(kind, &stored.value));
        Ok(Written { stored })
    }

    /// What was deleted before is deleted.
    pub(super) fn of_delete(&self) -> Result<Written, SinkError> {
        match self.status {
            200 | 204 => Ok(Written::default()),
            404 if self.is_missing_key() => Ok(Written::default()),
            400 => Err(SinkError::InUse {
                message: self.message(),
            }),
            _ => Err(self.error(None)),
        }
    }

    /// A 404 of the Admin API about a key, and not of something else that listens there.
    pub(super) fn is_missing_key(&self) -> bool {
        self.status == 404 && self.words().is_some_and(|words| words.contains("Key not found"))
    }

    /// Its words when the target does not serve a collection: 404 for an unknown one, 400 for stream routes where the
    /// stream proxy is off.
    pub(super) fn unsupported(&self) -> Option<String> {
        let words = self.words()?;
        match self.status {
            404 if words.contains("Unsupported resource type") => Some(capped(&words)),
            400 if words.contains("stream mode is disabled") => Some(capped(&words)),
            _ => None,
        }
    }

    fn error(&self, kind: Option<ObjectKind>) -> SinkError {
        let (status, said) = (self.status, self.message());
        let message = redacted(kind, &said);
        match status {
            401 | 403 => SinkError::Unauthorized { status },
            400 if said.contains("response code: 404") => SinkError::MissingReference { message },
            // With etcd away the check of references answers 400 as well, and says nothing of the object.
            400 if said.starts_with("failed to fetch ") => SinkError::Busy { status },
            // Until the other rule is gone, which may be on its way.
            400 if said.contains("already exists in global rule") => SinkError::InUse { message },
            // Newer versions look for another consumer with the credential (`check_duplicate_key` in `apisix/consumer.lua`),
            // which may be on its way out.
            400 if said.starts_with("duplicate ") && said.contains(" found with ") => SinkError::InUse { message },
            413 | 400 | 405 | 422 => SinkError::Refused { status, message },
            429 | 500..=599 => SinkError::Busy { status },
            _ => SinkError::Malformed {
                message: format!("status {status}: {message}"),
            },
        }
    }

    fn words(&self) -> Option<String> {
        let body: ErrorBody = serde_json::from_slice(&self.body).ok()?;
        body.error_msg.or(body.message)
    }

    fn message(&self) -> String {
        self.words()
            .map_or_else(|| "no message".to_owned(), |words| capped(&words))
    }
}

fn capped(words: &str) -> String {
    words.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// The target quotes values it does not like, and plugins hold credentials in objects of nearly every kind: of what it
/// says of an object only the beginning up to the first quoted value is kept.
fn redacted(kind: Option<ObjectKind>, message: &str) -> String {
    if kind.is_none() {
        return message.to_owned();
    }
    let marks = ["-----BEGIN", " with \"", "matches none: ", "got "];
    let cut = marks.iter().filter_map(|mark| message.find(mark)).min();
    match cut.and_then(|cut| message.get(..cut)) {
        Some(kept) => format!("{kept}(left out)"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn recorded_answers_are_classified() {
        let table = [
            (
                401,
                r#"{"error_msg":"failed to check token","description":"wrong apikey"}"#,
                "unauthorized",
            ),
            (
                400,
                r#"{"error_msg":"failed to fetch upstream info by upstream id [x], response code: 404"}"#,
                "missing-reference",
            ),
            (
                400,
                r#"{"error_msg":"failed to fetch upstream info by upstream id [x]: connection refused"}"#,
                "busy",
            ),
            (
                400,
                r#"{"error_msg":"plugin 'prometheus' already exists in global rule with id '1'"}"#,
                "in-use",
            ),
            (
                400,
                r#"{"error_msg":"duplicate key of plugin key-auth found with consumer: hl-1"}"#,
                "in-use",
            ),
            (400, r#"{"error_msg":"unknown plugin [nosuch]"}"#, "refused"),
            (503, "", "busy"),
            (429, "", "busy"),
            (404, "<html>", "malformed"),
            (302, "", "malformed"),
        ];
        for (status, body, reason) in table {
            let error = answer(status, body).of_put(ObjectKind::Route).unwrap_err();
            assert_eq!(error.reason(), reason, "{status} {body}");
        }
    }

    #[test]
    fn deleting_what_is_gone_succeeds_and_what_is_used_does_not() {
        let gone = answer(404, r#"{"message":"Key not found"}"#);
        assert!(gone.of_delete().is_ok());
        let used = answer(
            400,
            r#"{"error_msg":"can not delete this upstream, route [1] is still using it now"}"#,
        );
        assert_eq!(used.of_delete().unwrap_err().reason(), "in-use");
        let proxy = answer(404, "<html>");
        assert!(
            proxy.of_delete().is_err(),
            "a 404 of something else says nothing about the object"
        );
        assert!(!proxy.is_missing_key());
    }

    #[test]
    fn secrets_stay_secret_in_messages_of_the_target() {
        let body = r#"{"error_msg":"failed to match pattern \"x\" with \"-----BEGIN PRIVATE KEY-----\nabc\""}"#;
        for kind in ObjectKind::ALL {
            let error = answer(400, body).of_put(kind).unwrap_err().to_string();
            assert!(
                !error.contains("abc") && !error.contains("PRIVATE"),
                "{kind:?}: {error}"
            );
        }
        let long = format!(r#"{{"error_msg":"{}"}}"#, "x".repeat(5_000));
        assert!(answer(400, &long).message().len() <= MAX_MESSAGE_CHARS);
    }
}
