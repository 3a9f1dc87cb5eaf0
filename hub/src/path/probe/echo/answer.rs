//! Reading answers of HTTP/1.1. Pure.

use hubline::echo::CLUSTER_HEADER;
use hubline::model::ClusterId;

use crate::path::evidence::ProbeFailure;

/// Headers of an answer: an agent sends three, proxies on the way may add some.
const MAX_HEADERS: usize = 64;

/// Bytes of one answer, head and body: an agent's has some 130.
pub(in crate::path::probe) const MAX_BYTES: usize = 16 * 1024;

/// What counts of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::path::probe) struct Answer {
    pub(in crate::path::probe) status: u16,
    /// What it calls itself.
    pub(in crate::path::probe) cluster: Option<String>,
    /// Its body, as far as it was read.
    pub(in crate::path::probe) body: Vec<u8>,
}

/// What was read so far is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::path::probe) struct Garbage;

/// The head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::path::probe) struct Head {
    pub(in crate::path::probe) answer: Answer,
    /// Bytes of the head itself.
    pub(in crate::path::probe) length: usize,
    /// Bytes of the body, where the answer says so.
    pub(in crate::path::probe) body: Option<usize>,
}

impl Answer {
    /// Whether it is the echo's of that cluster to that nonce.
    pub(in crate::path::probe) fn judge(&self, expected: &ClusterId, nonce: &str) -> Result<(), ProbeFailure> {
        match &self.cluster {
            Some(name) if name != expected.as_str() => Err(ProbeFailure::WrongCluster(name.clone())),
            Some(_) if self.status == 200 && self.body == nonce.as_bytes() => Ok(()),
            Some(_) => Err(ProbeFailure::Answer("an answer to something else".to_owned())),
            None => Err(ProbeFailure::Answer(format!(
                "status {}, not from an agent",
                self.status
            ))),
        }
    }
}

/// Reads a head; none when it has not come whole yet.
pub(in crate::path::probe) fn head(bytes: &[u8]) -> Result<Option<Head>, Garbage> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Garbage),
    };
    let value = |name: &str| {
        let mut headers = response.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let body = value("content-length").map(|length| length.parse().map_err(|_| Garbage));
    let answer = Answer {
        status: response.code.unwrap_or_default(),
        // A cluster's name is a DNS label; a longer text is none, and is cut before it reaches logs.
        cluster: value(CLUSTER_HEADER).map(|name| name.chars().take(63).collect()),
        body: Vec::new(),
    };
    Ok(Some(Head {
        answer,
        length,
        body: body.transpose()?,
    }))
}

/// Reads one whole answer and tells how many bytes it has; none when it has not come whole yet. On a kept connection its
/// length must be told.
pub(super) fn whole(bytes: &[u8]) -> Result<Option<(Answer, usize)>, Garbage> {
    let Some(head) = head(bytes)? else {
        return Ok(None);
    };
    let end = head.body.and_then(|body| head.length.checked_add(body));
    let end = end.filter(|end| *end <= MAX_BYTES).ok_or(Garbage)?;
    let mut answer = head.answer;
    Ok(bytes.get(head.length..end).map(|body| {
        answer.body = body.to_vec();
        (answer, end)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\nHubline-Cluster: room-a\r\ncontent-length: 3\r\n\r\nn-1";

    #[test]
    fn answers_are_read_one_by_one() {
        let two = [GOOD, GOOD].concat();
        let (answer, end) = whole(two.as_bytes()).unwrap().unwrap();
        assert_eq!(
            (end, answer.status, answer.body.as_slice()),
            (GOOD.len(), 200, &b"n-1"[..])
        );
        for end in 0..GOOD.len() {
            assert_eq!(whole(&GOOD.as_bytes()[..end]), Ok(None), "{end}");
        }
        for garbage in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(whole(garbage.as_bytes()), Err(Garbage), "{garbage}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(MAX_BYTES));
        assert_eq!(whole(endless.as_bytes()), Err(Garbage));
    }

    #[test]
    fn an_answer_is_judged_by_cluster_and_nonce() {
        let expected = ClusterId::new("room-a").unwrap();
        let other = |text: &str| Err(ProbeFailure::Answer(text.to_owned()));
        for (text, wanted) in [
            (GOOD.to_owned(), Ok(())),
            (
                GOOD.replace("room-a", "room-b"),
                Err(ProbeFailure::WrongCluster("room-b".to_owned())),
            ),
            (GOOD.replace("n-1", "n-2"), other("an answer to something else")),
            (GOOD.replace("200", "500"), other("an answer to something else")),
            (
                GOOD.replace("Hubline-Cluster", "server"),
                other("status 200, not from an agent"),
            ),
        ] {
            let (answer, _) = whole(text.as_bytes()).unwrap().unwrap();
            assert_eq!(answer.judge(&expected, "n-1"), wanted, "{text}");
        }
    }
}
