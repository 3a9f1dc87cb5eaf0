//! Two ends of a connection over a line that delays, slows, cuts and resets.
//!
//! A cut line delivers nothing and tells nobody; what was on its way arrives when it is mended, long after newer
//! connections began.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::chance::Chance;
use crate::life::Life;
use crate::lock;

/// Bytes under way in one direction, as a socket's buffers hold them.
const CAPACITY: usize = 64 << 10;

/// How a line is now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) latency: Duration,
    /// Milliseconds that a chunk may take longer.
    pub(crate) jitter: u64,
    /// Bytes a second from agent to hub; the way back carries little.
    pub(crate) bandwidth: u64,
    pub(crate) cut: bool,
}

/// One line, shared by all its connections.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) quality: Quality,
    pub(crate) chance: Chance,
    pub(crate) pipes: Vec<std::sync::Weak<Mutex<Pipe>>>,
    /// Of all bytes that agents sent, in order: what two runs of a seed must have in common.
    pub(crate) carried: u64,
}

/// One direction of one connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    last: Instant,
    end: Option<Instant>,
    reset: bool,
    reader_gone: bool,
    wakers: Vec<Waker>,
}

impl Pipe {
    fn new() -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            chunks: VecDeque::new(),
            bytes: 0,
            last: Instant::now(),
            end: None,
            reset: false,
            reader_gone: false,
            wakers: Vec::new(),
        }))
    }

    pub(crate) fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    fn wait(&mut self, context: &Context<'_>) {
        if !self.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            self.wakers.push(context.waker().clone());
        }
    }

    pub(crate) fn break_off(&mut self) {
        self.reset = true;
        self.wake();
    }
}

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Agent,
    Hub,
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    end: End,
    life: Life,
    line: Arc<Mutex<Line>>,
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Connects two processes over a line: the agent's end, the hub's end.
pub(crate) fn connect(line: &Arc<Mutex<Line>>, agent: &Life, hub: &Life) -> (Stream, Stream) {
    let (up, down) = (Pipe::new(), Pipe::new());
    let mut state = lock(line);
    state.pipes.retain(|pipe| pipe.strong_count() > 0);
    state.pipes.extend([Arc::downgrade(&up), Arc::downgrade(&down)]);
    let end = |end, life: &Life, incoming: &Arc<_>, outgoing: &Arc<_>| Stream {
        end,
        life: life.clone(),
        line: Arc::clone(line),
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        timer: None,
    };
    (end(End::Agent, agent, &down, &up), end(End::Hub, hub, &up, &down))
}

impl Line {
    pub(crate) fn pipes(&mut self) -> Vec<Arc<Mutex<Pipe>>> {
        self.pipes.iter().filter_map(std::sync::Weak::upgrade).collect()
    }

    /// When a chunk that is sent now arrives.
    fn arrival(&mut self, end: End, bytes: usize) -> Instant {
        let Quality {
            latency,
            jitter,
            bandwidth,
            ..
        } = self.quality;
        let slow = match end {
            End::Agent => Duration::from_millis(bytes as u64 * 1000 / bandwidth),
            // Its length is not the same in two runs: hyper puts the date into its answers.
            End::Hub => Duration::ZERO,
        };
        Instant::now() + latency + self.chance.millis(0..=jitter) + slow
    }

    fn carry(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.carried = (self.carried ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.life.is_over() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let cut = lock(&self.line).quality.cut;
        let incoming = Arc::clone(&self.incoming);
        let mut pipe = lock(&incoming);
        if pipe.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let now = Instant::now();
        let due = pipe.chunks.front().map(|(due, _)| *due).or(pipe.end);
        match due {
            Some(due) if due <= now && !cut => {
                pipe.give(to);
                return Poll::Ready(Ok(()));
            }
            Some(due) if !cut => {
                let mut timer = Box::pin(sleep_until(due));
                let fired = timer.as_mut().poll(context).is_ready();
                self.timer = Some(timer);
                if fired {
                    context.waker().wake_by_ref();
                }
            }
            _ => {}
        }
        pipe.wait(context);
        Poll::Pending
    }
}

impl Pipe {
    /// Gives what has arrived; nothing at the end of the stream.
    fn give(&mut self, to: &mut ReadBuf<'_>) {
        let Some((due, mut chunk)) = self.chunks.pop_front() else {
            return;
        };
        let taken = chunk.len().min(to.remaining());
        to.put_slice(&chunk[..taken]);
        self.bytes -= taken;
        if taken < chunk.len() {
            chunk.drain(..taken);
            self.chunks.push_front((due, chunk));
        }
        self.wake();
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.life.is_over() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let mut line = lock(&self.line);
        let mut pipe = lock(&self.outgoing);
        if pipe.reset || (pipe.reader_gone && !line.quality.cut) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = bytes.len().min(CAPACITY.saturating_sub(pipe.bytes));
        if taken == 0 {
            pipe.wait(context);
            return Poll::Pending;
        }
        let due = line.arrival(self.end, taken).max(pipe.last);
        if self.end == End::Agent {
            line.carry(&bytes[..taken]);
        }
        pipe.last = due;
        pipe.bytes += taken;
        pipe.chunks.push_back((due, bytes[..taken].to_vec()));
        pipe.wake();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Stream {
    /// Both directions.
    pub(crate) fn pipes(&self) -> [std::sync::Weak<Mutex<Pipe>>; 2] {
        [Arc::downgrade(&self.incoming), Arc::downgrade(&self.outgoing)]
    }

    /// No more will come of this end.
    fn finish(&self) {
        let due = lock(&self.line).arrival(self.end, 0);
        let mut pipe = lock(&self.outgoing);
        let due = due.max(pipe.last);
        pipe.end.get_or_insert(due);
        pipe.wake();
    }
}

impl Drop for Stream {
    /// A process that ended says what its death let it say: see [`crate::network::Network`].
    fn drop(&mut self) {
        if self.life.is_over() {
            return;
        }
        self.finish();
        let mut incoming = lock(&self.incoming);
        incoming.reader_gone = true;
        incoming.wake();
    }
}
