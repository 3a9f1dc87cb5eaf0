use std::net::{SocketAddr, TcpListener, TcpStream};

use super::{Outcome, enter, run, skip};

#[test]
fn any_address_of_the_private_ranges_is_local() {
    if !enter("netns::tests::any_address_of_the_private_ranges_is_local") {
        return;
    }
    for address in ["10.90.1.1:8080", "10.90.200.3:8080", "[fd00:90::5]:8080"] {
        let address: SocketAddr = address.parse().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(address).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    }
}

/// Fails only where it is asked to: in the namespace that the next test starts.
#[test]
fn fails_in_its_namespace() {
    let inside = std::env::var_os(super::MARK).is_some();
    assert!(!inside, "a failure inside");
}

#[test]
fn a_failure_inside_is_a_failure_outside() {
    match run("netns::tests::fails_in_its_namespace") {
        Outcome::Failed(output) => assert!(output.contains("a failure inside"), "{output}"),
        Outcome::Refused(reason) => skip("a_failure_inside_is_a_failure_outside", &reason, in_ci()),
        Outcome::Passed => panic!("a failing test passed"),
    }
}

#[test]
fn a_misspelt_name_is_a_failure() {
    match run("netns::tests::no_such_test") {
        Outcome::Failed(output) => assert!(output.contains("0 passed"), "{output}"),
        Outcome::Refused(reason) => skip("a_misspelt_name_is_a_failure", &reason, in_ci()),
        Outcome::Passed => panic!("a test that does not exist passed"),
    }
}

#[test]
#[should_panic(expected = "CI skips nothing")]
fn ci_skips_nothing() {
    skip("some_test", "refused", true);
}

fn in_ci() -> bool {
    std::env::var("CI").as_deref() == Ok("true")
}
