//! One `GET` over a connection of its own.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::echo::{Answer, Head, MAX_BYTES, head};
use crate::path::evidence::ProbeFailure;

/// Anything that bytes go through.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How much of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Its head.
    Head,
    /// Its body too, up to 16 KiB.
    Body,
}

/// Asks, and reads the answer.
pub(super) async fn get(io: &mut dyn Io, host: &str, path: &str, wanted: Wanted) -> Result<Answer, ProbeFailure> {
    let question =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: hubline-hub\r\nconnection: close\r\n\r\n");
    io.write_all(question.as_bytes()).await.map_err(|_| closed())?;
    let mut bytes = Vec::with_capacity(1024);
    let head = loop {
        if let Some(head) = head(&bytes).map_err(|_| ProbeFailure::Answer("no HTTP".to_owned()))? {
            break head;
        }
        if !more(io, &mut bytes).await? {
            return Err(closed());
        }
    };
    if wanted == Wanted::Body {
        let end = head
            .length
            .saturating_add(head.body.unwrap_or(MAX_BYTES))
            .min(MAX_BYTES);
        while bytes.len() < end && more(io, &mut bytes).await? {}
    }
    let Head { mut answer, length, .. } = head;
    answer.body = bytes.split_off(length.min(bytes.len()));
    Ok(answer)
}

async fn more(io: &mut dyn Io, bytes: &mut Vec<u8>) -> Result<bool, ProbeFailure> {
    Ok(io.read_buf(bytes).await.map_err(|_| closed())? > 0)
}

fn closed() -> ProbeFailure {
    ProbeFailure::Answer("the connection was closed".to_owned())
}
