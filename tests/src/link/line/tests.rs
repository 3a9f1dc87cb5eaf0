//! Lines of many links. As with one link, a control that is no part of the line answers first.

use std::io::ErrorKind;

use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::tests::{ANY, LONG, SHORT, in_time, mirror, round_trip};
use super::{Line, Link};

/// As many as a cluster of 50 pods and some more has.
const MANY: usize = 60;

async fn line(count: usize) -> (Line, Link) {
    let upstream = mirror().await;
    let line = Line::start(vec![(ANY, upstream); count]).await.unwrap();
    (line, Link::start(ANY, upstream).await.unwrap())
}

async fn connections(line: &Line) -> Vec<TcpStream> {
    let connects = line.addresses().await.into_iter().map(TcpStream::connect);
    join_all(connects).await.into_iter().map(Result::unwrap).collect()
}

/// How many of the connections carry a message there and back.
async fn carrying(streams: &mut [TcpStream]) -> usize {
    let trips = streams.iter_mut().map(|stream| round_trip(stream, b"hello"));
    in_time(join_all(trips))
        .await
        .iter()
        .filter(|trip| trip.is_ok())
        .count()
}

async fn assert_carries(line: &Line, count: usize) {
    assert_eq!(carrying(&mut connections(line).await).await, count);
}

#[tokio::test]
async fn sixty_links_are_cut_and_restored_together() {
    let (line, control) = line(MANY).await;
    let mut before = connections(&line).await;
    assert_eq!(carrying(&mut before).await, MANY);
    let counters = line.counters().await;
    assert_eq!((counters.open, counters.to_client), (MANY as u64, 5 * MANY as u64));
    line.cut_black_hole().await.unwrap();
    let attempts = line
        .addresses()
        .await
        .into_iter()
        .map(|address| timeout(SHORT, TcpStream::connect(address)));
    let attempts = join_all(attempts).await;
    let mut other = TcpStream::connect(control.address()).await.unwrap();
    round_trip(&mut other, b"hello").await.unwrap();
    assert!(attempts.iter().all(Result::is_err), "a black hole answered");
    line.restore().await.unwrap();
    assert_eq!(carrying(&mut before).await, MANY);
    line.cut_refuse().await.unwrap();
    for address in line.addresses().await {
        let error = TcpStream::connect(address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    line.restore().await.unwrap();
    assert_carries(&line, MANY).await;
}

#[tokio::test]
async fn a_link_that_is_added_is_as_bad_as_the_others() {
    let (line, _control) = line(1).await;
    let upstream = mirror().await;
    line.cut_refuse().await.unwrap();
    let added = line.add(ANY, upstream).await.unwrap();
    let error = TcpStream::connect(added).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(line.addresses().await[1], added);
    line.restore().await.unwrap();
    assert_carries(&line, 2).await;
    line.delay(LONG).await;
    let slow = line.add(ANY, upstream).await.unwrap();
    let mut stream = TcpStream::connect(slow).await.unwrap();
    let attempt = timeout(SHORT, round_trip(&mut stream, b"hello")).await;
    assert!(attempt.is_err(), "{attempt:?}");
    line.restore().await.unwrap();
    assert_carries(&line, 3).await;
}

#[tokio::test]
async fn a_line_that_loses_all_lets_nothing_through_until_it_is_restored() {
    let (line, control) = line(2).await;
    let mut before = connections(&line).await;
    assert_eq!(carrying(&mut before).await, 2);
    line.lose(1.0, 7).await;
    let attempt = timeout(SHORT, round_trip(&mut before[0], b"lost!")).await;
    let mut other = TcpStream::connect(control.address()).await.unwrap();
    round_trip(&mut other, b"hello").await.unwrap();
    assert!(attempt.is_err(), "{attempt:?}");
    line.restore().await.unwrap();
    assert_carries(&line, 2).await;
}

/// Forty percent: late, but all of it and in order.
#[tokio::test]
async fn what_a_lossy_line_carries_arrives() {
    let (line, _control) = line(MANY).await;
    let mut streams = connections(&line).await;
    line.lose(0.4, 7).await;
    let trips = streams.iter_mut().map(|stream| round_trip(stream, b"hello"));
    // The seed decides how late they are, some seconds; the limit is only to end a hang.
    let trips = timeout(LONG, join_all(trips)).await.unwrap();
    assert!(trips.into_iter().all(|trip| trip.unwrap() == b"hello"));
}
