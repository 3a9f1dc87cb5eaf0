//! Each behaviour over real sockets. No test measures time: where a link must hold something
//! back, a control link to the same upstream answers first.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Link;

pub(super) const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Long against a loopback round trip, which the control link makes in the meantime.
pub(super) const SHORT: Duration = Duration::from_millis(300);

/// Longer than any test runs.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// An upstream that sends back what it gets.
pub(super) async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reads, mut writes) = stream.split();
                tokio::io::copy(&mut reads, &mut writes).await.ok();
                writes.shutdown().await.ok();
            });
        }
    });
    address
}

/// An upstream that reads all it gets and answers nothing.
async fn sink() -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    address
}

/// Fails instead of hanging when what must come does not.
pub(super) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("nothing came")
}

/// A link and a control to the same upstream.
async fn two_links() -> (Link, Link) {
    let upstream = mirror().await;
    let link = Link::start(ANY, upstream).await.unwrap();
    (link, Link::start(ANY, upstream).await.unwrap())
}

async fn connect(link: &Link) -> std::io::Result<TcpStream> {
    TcpStream::connect(link.address()).await
}

pub(super) async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn assert_carries(link: &Link) {
    let mut stream = connect(link).await.unwrap();
    assert_eq!(round_trip(&mut stream, b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn carries_both_ways_and_counts() {
    let (link, _) = two_links().await;
    let mut stream = connect(&link).await.unwrap();
    assert_eq!(round_trip(&mut stream, b"hello").await.unwrap(), b"hello");
    let counters = link.counters();
    assert_eq!((counters.connections, counters.open), (1, 1));
    assert_eq!((counters.to_upstream, counters.to_client), (5, 5));
    // The end of one direction is carried too, after what came before it.
    stream.write_all(b" world").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, " world");
}

#[tokio::test]
async fn a_black_hole_lets_connects_time_out() {
    let (link, control) = two_links().await;
    link.cut_black_hole().await.unwrap();
    for _ in 0..3 {
        let attempt = timeout(SHORT, connect(&link)).await;
        assert_carries(&control).await;
        assert!(attempt.is_err(), "a black hole answered: {attempt:?}");
    }
    link.restore().await.unwrap();
    assert_carries(&link).await;
}

#[tokio::test]
async fn a_black_hole_holds_what_is_on_existing_connections() {
    let (link, control) = two_links().await;
    let mut stream = connect(&link).await.unwrap();
    round_trip(&mut stream, b"before").await.unwrap();
    let before = link.counters();
    link.cut_black_hole().await.unwrap();
    let attempt = timeout(SHORT, round_trip(&mut stream, b"during")).await;
    assert_carries(&control).await;
    assert!(attempt.is_err(), "neither data nor a close arrives: {attempt:?}");
    assert_eq!(link.counters(), before);

    link.restore().await.unwrap();
    let mut held = [0; 6];
    stream.read_exact(&mut held).await.unwrap();
    assert_eq!(&held, b"during");
}

#[tokio::test]
async fn a_black_hole_can_be_cut_again_and_again() {
    let (link, _) = two_links().await;
    for _ in 0..5 {
        link.cut_black_hole().await.unwrap();
        link.cut_black_hole().await.unwrap();
        link.restore().await.unwrap();
        assert_carries(&link).await;
    }
    link.cut_refuse().await.unwrap();
    link.cut_black_hole().await.unwrap();
    assert!(timeout(SHORT, connect(&link)).await.is_err());
}

#[tokio::test]
async fn a_refusing_link_resets_and_refuses() {
    let (link, control) = two_links().await;
    let mut stream = connect(&link).await.unwrap();
    round_trip(&mut stream, b"before").await.unwrap();
    link.cut_refuse().await.unwrap();
    let error = connect(&link).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let error = in_time(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_carries(&control).await;

    link.restore().await.unwrap();
    assert_carries(&link).await;
}

#[tokio::test]
async fn dropped_connections_are_reset_and_new_ones_welcome() {
    let (link, _) = two_links().await;
    let mut stream = connect(&link).await.unwrap();
    round_trip(&mut stream, b"before").await.unwrap();
    link.drop_connections();
    let error = in_time(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_carries(&link).await;
    assert_eq!(link.counters().connections, 2);
}

#[tokio::test]
async fn a_delay_acts_each_way() {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let link = Link::start(ANY, listener.local_addr().unwrap()).await.unwrap();
    let control = Link::start(ANY, mirror().await).await.unwrap();
    let mut client = connect(&link).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();

    // Back: nothing of the answer passes while the control answers.
    client.write_all(b"up").await.unwrap();
    server.read_exact(&mut [0; 2]).await.unwrap();
    link.delay(LONG);
    server.write_all(b"down").await.unwrap();
    assert_carries(&control).await;
    assert_eq!(link.counters().to_client, 0);
    // Forth, on the same connection.
    client.write_all(b"again").await.unwrap();
    assert_carries(&control).await;
    assert_eq!(link.counters().to_upstream, 2);
}

#[tokio::test]
async fn what_is_delayed_arrives() {
    let (link, _) = two_links().await;
    link.delay(Duration::from_millis(20));
    assert_carries(&link).await;
    link.delay(Duration::ZERO);
    assert_carries(&link).await;
}

#[tokio::test]
async fn a_limited_link_is_slower_than_another_and_recovers() {
    let (link, control) = two_links().await;
    link.limit(NonZeroU64::new(1));
    let (mut slow, mut quick) = (connect(&link).await.unwrap(), connect(&control).await.unwrap());
    let many = vec![7; 100_000];
    let attempt = timeout(SHORT, round_trip(&mut slow, &many)).await;
    assert_eq!(round_trip(&mut quick, &many).await.unwrap(), many);
    assert!(attempt.is_err(), "one byte a second let 100,000 pass");

    link.limit(None);
    let mut answer = vec![0; many.len()];
    in_time(slow.read_exact(&mut answer)).await.unwrap();
    assert_eq!(link.counters().to_upstream, 100_000);
}

#[tokio::test]
async fn a_link_that_stops_reading_pushes_back() {
    let upstream = sink().await;
    let link = Link::start(ANY, upstream).await.unwrap();
    let control = Link::start(ANY, upstream).await.unwrap();
    let (mut slow, mut quick) = (connect(&link).await.unwrap(), connect(&control).await.unwrap());
    // More than the kernel's buffers hold, though they grow (tcp_wmem and tcp_rmem: 4 and 6 MiB).
    let many = vec![7; 32 << 20];
    link.stop_reading();
    in_time(quick.write_all(&many)).await.unwrap();
    let attempt = timeout(SHORT, slow.write_all(&many)).await;
    assert!(attempt.is_err(), "32 MiB fitted nowhere: {attempt:?}");
    link.restore().await.unwrap();
    in_time(slow.write_all(&many)).await.unwrap();
}

#[tokio::test]
async fn an_upstream_that_refuses_resets_the_client() {
    let upstream = {
        let listener = TcpListener::bind(ANY).await.unwrap();
        listener.local_addr().unwrap()
    };
    let link = Link::start(ANY, upstream).await.unwrap();
    let mut stream = connect(&link).await.unwrap();
    let error = in_time(stream.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_lossy_link_loses_handshakes_and_recovers() {
    let (link, control) = two_links().await;
    link.lose(1.0, 7);
    // The port follows a moment later; what connects before that was not lost.
    let lost = async { while timeout(SHORT, connect(&link)).await.is_ok() {} };
    in_time(lost).await;
    assert_carries(&control).await;
    // A cut and its end leave the loss as it is.
    link.cut_refuse().await.unwrap();
    assert_eq!(connect(&link).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    link.restore().await.unwrap();
    in_time(async { while timeout(SHORT, connect(&link)).await.is_ok() {} }).await;
    link.lose(0.0, 7);
    in_time(assert_carries(&link)).await;
}

/// A link whose port comes and goes takes every client in the end: its kernel tries again.
#[tokio::test]
async fn clients_of_a_lossy_link_get_through() {
    let (link, _) = two_links().await;
    link.lose(0.4, 7);
    for _ in 0..5 {
        timeout(LONG, connect(&link)).await.unwrap().unwrap();
    }
}
