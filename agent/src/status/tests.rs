use hubline::model::{Entry, Export, GroupKind, Key, Resource, ResourceKind};
use hubline::wire::{ContentHash, Epoch, Nack, ResourceStatus, Status};

use super::*;
use crate::output::Output;
use crate::publish::Publisher;

fn key(name: &str) -> Key {
    Key::new(ResourceKind::Export, &GroupKind::new("", "Service"), "shop", name, "")
}

fn publisher(names: &[&str]) -> Publisher {
    let upserts = names.iter().map(|name| Entry {
        key: key(name),
        resource: Resource::Export(Export { weight: Some(1) }),
    });
    let mut publisher = Publisher::new(Epoch::default());
    publisher.apply(Output {
        upserts: upserts.collect(),
        ..Output::default()
    });
    publisher
}

fn status(name: &str, condition: &str) -> ResourceStatus {
    ResourceStatus {
        key: key(name),
        content_hash: ContentHash(1),
        condition: condition.to_owned(),
        reason: "Test".to_owned(),
        message: String::new(),
        gone: condition.is_empty(),
    }
}

fn message(replay: (bool, bool), statuses: Vec<ResourceStatus>) -> Status {
    Status {
        replay_begin: replay.0,
        replay_end: replay.1,
        statuses,
    }
}

fn board() -> StatusBoard {
    StatusBoard::new("hub".to_owned(), Metrics::default())
}

fn shown(board: &StatusBoard) -> Vec<(String, String)> {
    let statuses = board.watch().borrow().clone();
    statuses
        .values()
        .map(|it| (it.key.name.clone(), it.condition.clone()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, condition)| ((*name).to_owned(), (*condition).to_owned()))
        .collect()
}

#[test]
fn the_latest_word_on_each_key_stands() {
    let (board, publisher) = (board(), publisher(&["a", "b"]));
    let reader = publisher.reader();
    board.apply(
        message((false, false), vec![status("a", "Held"), status("b", "Programmed")]),
        &reader,
    );
    board.apply(
        message((false, false), vec![status("a", "Programmed"), status("b", "")]),
        &reader,
    );
    assert_eq!(shown(&board), pairs(&[("a", "Programmed")]));
}

#[test]
fn a_replay_replaces_everything_once_it_is_whole() {
    let (board, publisher) = (board(), publisher(&["a", "b"]));
    let reader = publisher.reader();
    board.apply(message((true, true), vec![status("a", "Programmed")]), &reader);
    board.apply(message((true, false), vec![status("b", "Conflict")]), &reader);
    assert_eq!(
        shown(&board),
        pairs(&[("a", "Programmed")]),
        "half a replay says nothing"
    );
    board.apply(message((false, true), vec![]), &reader);
    assert_eq!(shown(&board), pairs(&[("b", "Conflict")]));
}

#[test]
fn a_replay_cut_short_is_forgotten_by_the_next() {
    let (board, publisher) = (board(), publisher(&["a", "b"]));
    let reader = publisher.reader();
    board.apply(message((true, false), vec![status("a", "Conflict")]), &reader);
    board.apply(message((true, true), vec![status("b", "Programmed")]), &reader);
    assert_eq!(shown(&board), pairs(&[("b", "Programmed")]));
}

#[test]
fn the_board_is_bounded_by_what_is_published() {
    let (board, mut publisher) = (board(), publisher(&["a", "b"]));
    let reader = publisher.reader();
    board.apply(
        message(
            (false, false),
            vec![status("a", "Held"), status("b", "Held"), status("x", "Held")],
        ),
        &reader,
    );
    assert_eq!(shown(&board), pairs(&[("a", "Held"), ("b", "Held")]));
    publisher.apply(Output {
        removals: vec![key("a")],
        ..Output::default()
    });
    board.apply(message((false, false), vec![]), &reader);
    assert_eq!(shown(&board), pairs(&[("b", "Held")]));
}

#[test]
fn a_refusal_shows_and_wakes() {
    let board = board();
    let mut watch = board.watch();
    board.refused(Nack {
        key: key("a"),
        content_hash: ContentHash(1),
        reason: "invalid-field".to_owned(),
        message: "m".to_owned(),
    });
    assert!(watch.has_changed().unwrap());
    watch.mark_unchanged();
    board.refill();
    assert!(!watch.has_changed().unwrap());
    assert_eq!(shown(&board), pairs(&[("a", "Refused")]));
}
