//! One connection with pipelined questions. It has no task of its own: whoever waits for an answer reads for all.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hubline::echo::PATH;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::{Answer, whole};

/// Unanswered questions of one connection: 10 s, the longest timeout, at the shortest usual interval of 250 ms, and half
/// as many again for shorter ones.
const MOST_WAITING: usize = 60;

/// The connection is of no more use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

#[derive(Debug)]
pub(super) struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of their questions. Who waits no more is still in the row: his answer comes.
    waiting: VecDeque<oneshot::Sender<(Answer, Instant)>>,
    unread: Vec<u8>,
    broken: bool,
}

impl Connection {
    pub(super) fn new(address: SocketAddr, stream: TcpStream) -> Self {
        Self {
            address,
            stream,
            state: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks and waits for the answer, however long it takes.
    pub(super) async fn ask(&self, nonce: &str) -> Result<(Answer, Duration), Broken> {
        let sent = Instant::now();
        let mut answer = self.send(nonce)?;
        loop {
            tokio::select! {
                biased;
                answered = &mut answer => {
                    let (answer, came) = answered.map_err(|_| Broken)?;
                    return Ok((answer, came.duration_since(sent)));
                }
                readable = self.stream.readable() => {
                    readable.map_err(|_| Broken)?;
                    self.read();
                }
            }
        }
    }

    /// A question is far smaller than a socket's buffer: what does not fit at once shows a line that takes nothing.
    fn send(&self, nonce: &str) -> Result<oneshot::Receiver<(Answer, Instant)>, Broken> {
        let question = format!("GET {PATH}/{nonce} HTTP/1.1\r\nhost: hubline\r\n\r\n");
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.broken || state.waiting.len() >= MOST_WAITING {
            return Err(Broken);
        }
        if self.stream.try_write(question.as_bytes()).ok() != Some(question.len()) {
            state.breaks();
            return Err(Broken);
        }
        let (answer, receiver) = oneshot::channel();
        state.waiting.push_back(answer);
        Ok(receiver)
    }

    /// Hands out what has come.
    fn read(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = [0; 2048];
        while !state.broken {
            match self.read_some(&mut buffer) {
                Ok(0) => state.breaks(),
                Ok(read) => {
                    state.take(buffer.get(..read).unwrap_or_default());
                    if read < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => state.breaks(),
            }
        }
    }

    /// Reads once. Less than there was room for is all that has come (epoll(7), question 9), so that the runtime is told
    /// to wait for more without a second call that would only say so: a fifth of what a probe costs.
    fn read_some(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = SockRef::from(&self.stream);
        let mut drained = None;
        let read = self
            .stream
            .try_io(Interest::READABLE, || match (&*socket).read(buffer) {
                Ok(read) if read > 0 && read < buffer.len() => {
                    drained = Some(read);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                other => other,
            });
        drained.map_or(read, Ok)
    }
}

impl State {
    fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let came = Instant::now();
        loop {
            match whole(&self.unread) {
                Ok(Some((answer, end))) => {
                    self.unread.drain(..end);
                    let Some(waiting) = self.waiting.pop_front() else {
                        // An answer that nobody asked for.
                        return self.breaks();
                    };
                    // Who waits no more does not need it.
                    waiting.send((answer, came)).ok();
                }
                Ok(None) => return,
                Err(_) => return self.breaks(),
            }
        }
    }

    /// Whoever waits learns it by his sender's end.
    fn breaks(&mut self) {
        self.broken = true;
        self.waiting.clear();
        self.unread = Vec::new();
    }
}
