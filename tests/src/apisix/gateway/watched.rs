//! A connection to a node that fails when nothing can be written or nothing arrives for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::apisix::live::upstream::Timeouts;

/// Whether a connection failed because it took too long.
#[derive(Clone, Debug, Default)]
pub(super) struct Expired(Arc<AtomicBool>);

impl Expired {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The connection. A read's time begins anew with each write: nobody answers before they are asked.
pub(super) struct Watched<S> {
    stream: S,
    reading: Patience,
    writing: Patience,
    expired: Expired,
}

/// How long one direction may take, and since when it does.
struct Patience {
    limit: Duration,
    /// none: nobody waits
    end: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { limit, end: None }
    }

    /// Ready when the time is over.
    fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        self.end
            .get_or_insert_with(|| Box::pin(sleep(limit)))
            .as_mut()
            .poll(context)
    }

    fn begin_anew(&mut self) {
        if let Some(end) = &mut self.end {
            end.as_mut().reset(Instant::now() + self.limit);
        }
    }

    fn stop(&mut self) {
        self.end = None;
    }
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, timeouts: Timeouts) -> (Self, Expired) {
        let expired = Expired::default();
        let watched = Self {
            stream,
            reading: Patience::new(timeouts.read),
            writing: Patience::new(timeouts.send),
            expired: expired.clone(),
        };
        (watched, expired)
    }

    fn expire(&self) -> io::Error {
        self.expired.0.store(true, Ordering::Relaxed);
        io::ErrorKind::TimedOut.into()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            this.reading.stop();
            return Poll::Ready(read);
        }
        ready!(this.reading.poll_over(context));
        Poll::Ready(Err(this.expire()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Poll::Ready(written) = Pin::new(&mut this.stream).poll_write(context, bytes) {
            this.writing.stop();
            this.reading.begin_anew();
            return Poll::Ready(written);
        }
        ready!(this.writing.poll_over(context));
        Poll::Ready(Err(this.expire()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn timeouts() -> Timeouts {
        let [connect, send, read] = [1, 2, 3].map(Duration::from_secs);
        Timeouts { connect, send, read }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_takes_too_long_fails() {
        let (near, mut far) = duplex(16);
        let (mut near, expired) = Watched::new(near, timeouts());
        far.write_all(b"a").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'a');
        assert!(!expired.is_set());
        assert_eq!(near.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(expired.is_set());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_takes_too_long_fails() {
        let (near, _far) = duplex(4);
        let (mut near, expired) = Watched::new(near, timeouts());
        near.write_all(b"1234").await.unwrap();
        let error = near.write_all(b"5").await.unwrap_err();
        assert_eq!((error.kind(), expired.is_set()), (io::ErrorKind::TimedOut, true));
    }

    /// Two seconds, a write, and two more are no three seconds of waiting for an answer.
    #[tokio::test(start_paused = true)]
    async fn a_write_gives_the_answer_new_time() {
        let (near, mut far) = duplex(16);
        let (near, _) = Watched::new(near, timeouts());
        let (mut reads, mut writes) = tokio::io::split(near);
        let answer = tokio::spawn(async move { reads.read_u8().await });
        sleep(Duration::from_secs(2)).await;
        writes.write_all(b"more").await.unwrap();
        sleep(Duration::from_secs(2)).await;
        far.write_all(b"a").await.unwrap();
        assert_eq!(answer.await.unwrap().unwrap(), b'a');
    }
}
