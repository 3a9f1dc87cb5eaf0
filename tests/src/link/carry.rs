//! Carries one connection over a link.

use std::future::pending;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::loss::Luck;
use super::settings::{Direction, Settings, Shared};

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

/// Chunks on the way in one direction of one connection: 1 MiB in all, the product of 100 Mbit/s
/// and 80 ms. A longer or faster line is slower than it would be.
const ON_THE_WAY: usize = 64;

/// A chunk and when it arrives; an empty one is the end of the stream.
type Parcel = (Instant, Bytes);

/// Carries `client` until both sides have ended, one fails, or the link drops its connections.
pub(super) async fn connection(mut client: TcpStream, shared: Shared) {
    let open = shared.counts.clone().connection();
    let mut ended = shared.settings.clone();
    let generation = ended.borrow_and_update().generation;
    let mut upstream = None;
    tokio::select! {
        // With the client dropped unread, or after an error, the kernel resets it.
        finished = carry(&mut client, &mut upstream, &shared, open.number) => if finished.is_ok() { return },
        _ = ended.wait_for(|settings| settings.generation != generation) => {}
    }
    for stream in [Some(&client), upstream.as_ref()].into_iter().flatten() {
        // Fails on a connection that is gone already.
        stream.set_zero_linger().ok();
    }
}

async fn carry(
    client: &mut TcpStream,
    upstream: &mut Option<TcpStream>,
    shared: &Shared,
    number: u64,
) -> std::io::Result<()> {
    until(&shared.settings, |settings| settings.moving).await;
    let upstream = upstream.insert(TcpStream::connect(shared.upstream).await?);
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (client_reads, client_writes) = client.split();
    let (upstream_reads, upstream_writes) = upstream.split();
    tokio::try_join!(
        one_way(client_reads, upstream_writes, shared, Direction::ToUpstream, number),
        one_way(upstream_reads, client_writes, shared, Direction::ToClient, number),
    )?;
    Ok(())
}

async fn one_way(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    shared: &Shared,
    direction: Direction,
    number: u64,
) -> std::io::Result<()> {
    let (sender, receiver) = mpsc::channel(ON_THE_WAY);
    // Each way of each connection has its own luck.
    let luck = Luck::new(2 * number + direction as u64);
    tokio::try_join!(
        take(from, sender, &shared.settings, luck),
        deliver(to, receiver, shared, direction)
    )?;
    Ok(())
}

async fn take(
    mut from: ReadHalf<'_>,
    sender: mpsc::Sender<Parcel>,
    settings: &watch::Receiver<Settings>,
    mut luck: Luck,
) -> std::io::Result<()> {
    loop {
        until(settings, |settings| settings.reading).await;
        let mut buffer = BytesMut::with_capacity(CHUNK);
        from.read_buf(&mut buffer).await?;
        // Read delay and loss now: a change acts on what is sent after it.
        let (delay, loss) = {
            let settings = settings.borrow();
            (settings.delay, settings.loss)
        };
        let due = Instant::now() + delay + luck.late_by(loss);
        let last = buffer.is_empty();
        let gone = sender.send((due, buffer.freeze())).await.is_err();
        if last || gone {
            return Ok(());
        }
    }
}

async fn deliver(
    mut to: WriteHalf<'_>,
    mut receiver: mpsc::Receiver<Parcel>,
    shared: &Shared,
    direction: Direction,
) -> std::io::Result<()> {
    while let Some((due, mut chunk)) = receiver.recv().await {
        sleep_until(due).await;
        if chunk.is_empty() {
            until(&shared.settings, |settings| settings.moving).await;
            return to.shutdown().await;
        }
        while !chunk.is_empty() {
            let part = wait_for_bandwidth(&mut chunk, shared, direction).await;
            until(&shared.settings, |settings| settings.moving).await;
            to.write_all(&part).await?;
            shared.counts.moved(direction, part.len());
        }
    }
    Ok(())
}

/// Splits off what a limited line carries in a twentieth of a second, so that a changed limit
/// soon shows, and waits until that is through.
async fn wait_for_bandwidth(chunk: &mut Bytes, shared: &Shared, direction: Direction) -> Bytes {
    let Some(rate) = shared.settings.borrow().limit else {
        return std::mem::take(chunk);
    };
    let most = usize::try_from(rate.get() / 20).unwrap_or(usize::MAX).max(1);
    let part = chunk.split_to(most.min(chunk.len()));
    sleep_until(shared.bandwidth(direction).reserve(part.len(), rate)).await;
    part
}

async fn until(settings: &watch::Receiver<Settings>, condition: fn(&Settings) -> bool) {
    let mut settings = settings.clone();
    if settings.wait_for(condition).await.is_err() {
        // The link is gone, and this connection is about to be dropped with it.
        pending::<()>().await;
    }
}
