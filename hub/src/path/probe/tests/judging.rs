//! Every rule of a round, as a table.

use std::time::Duration;

use crate::path::evidence::{NoData, ProbeFailure, ProbeResult};
use crate::path::probe::{EchoOutcome, Miss, SampleOutcome, judge_round};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn good(millis: u64) -> ProbeResult {
    ProbeResult::Good { round_trip: ms(millis) }
}

fn bad(failure: ProbeFailure) -> ProbeResult {
    ProbeResult::Bad(failure)
}

fn unreachable() -> ProbeFailure {
    ProbeFailure::Unreachable("no route".to_owned())
}

/// `node:what@millis`, as `n1:refused@3`.
fn samples(text: &str) -> Vec<SampleOutcome> {
    let sample = |text: &str| {
        let (node, rest) = text.split_once(':').unwrap();
        let (what, took) = rest.split_once('@').unwrap();
        let result = match what {
            "connects" => Ok(()),
            "refused" => Err(Miss::Bad(ProbeFailure::Refused)),
            "silent" => Err(Miss::Bad(ProbeFailure::Timeout)),
            "unreachable" => Err(Miss::Bad(unreachable())),
            "busy" => Err(Miss::Nothing(NoData::HubBusy)),
            other => panic!("{other}"),
        };
        SampleOutcome {
            node: node.into(),
            address: ([10, 0, 0, 1], 80).into(),
            took: ms(took.parse().unwrap()),
            result,
        }
    };
    text.split_whitespace().map(sample).collect()
}

#[test]
fn every_rule_of_a_round() {
    let wrong = ProbeFailure::WrongCluster("b".to_owned());
    let answer = ProbeFailure::Answer("status 404".to_owned());
    let miss = |failure: &ProbeFailure| EchoOutcome::Err(Miss::Bad(failure.clone()));
    let nothing = |reason| EchoOutcome::Err(Miss::Nothing(reason));
    let (timeout, refused) = (miss(&ProbeFailure::Timeout), miss(&ProbeFailure::Refused));
    let unknown = nothing(NoData::NothingToProbe);
    for (echo, asked, wanted) in [
        // The echo answered: good, whatever endpoints do.
        (Ok(ms(7)), "", good(7)),
        (Ok(ms(7)), "a:silent@250 b:refused@1", good(7)),
        // Another cluster's agent answers: bad, whatever endpoints do.
        (miss(&wrong), "", bad(wrong.clone())),
        (miss(&wrong), "a:connects@3", bad(wrong)),
        // One endpoint connects: good, with the fastest.
        (timeout.clone(), "a:silent@250 b:connects@9 c:connects@4", good(4)),
        (refused.clone(), "a:refused@1 b:connects@9", good(9)),
        (unknown.clone(), "a:connects@2", good(2)),
        // Some timed out, none connected.
        (timeout.clone(), "a:silent@250 b:silent@250", bad(ProbeFailure::Timeout)),
        (refused.clone(), "a:silent@250 b:refused@1", bad(ProbeFailure::Timeout)),
        (
            timeout.clone(),
            "a:unreachable@1 b:silent@250",
            bad(ProbeFailure::Timeout),
        ),
        (timeout.clone(), "a:unreachable@1 b:refused@1", bad(unreachable())),
        (unknown.clone(), "a:silent@250", bad(ProbeFailure::Timeout)),
        // All refuse, and the echo does not: dead pods, and a line.
        (timeout.clone(), "a:refused@3 b:refused@2", good(2)),
        (unknown.clone(), "a:refused@3", good(3)),
        (miss(&answer), "a:refused@3", good(3)),
        // All refuse, and the echo too, on two nodes or all there are: a line that rejects.
        (refused.clone(), "a:refused@1 b:refused@1", bad(ProbeFailure::Refused)),
        (refused.clone(), "a:refused@1", bad(ProbeFailure::Refused)),
        (refused.clone(), "a:refused@1 a:refused@1", bad(ProbeFailure::Refused)),
        (
            refused.clone(),
            "a:refused@1 b:refused@1 c:busy@0",
            bad(ProbeFailure::Refused),
        ),
        // No endpoints.
        (refused.clone(), "", ProbeResult::Nothing(NoData::NothingToProbe)),
        (timeout.clone(), "", bad(ProbeFailure::Timeout)),
        (miss(&unreachable()), "", bad(unreachable())),
        (miss(&answer), "", bad(answer)),
        (unknown, "", ProbeResult::Nothing(NoData::NothingToProbe)),
        (
            nothing(NoData::NotAllowed),
            "",
            ProbeResult::Nothing(NoData::NotAllowed),
        ),
        // What the hub could not ask is held against nobody.
        (
            timeout.clone(),
            "a:busy@0 b:busy@0",
            ProbeResult::Nothing(NoData::HubBusy),
        ),
        (
            refused.clone(),
            "a:refused@1 b:busy@0",
            ProbeResult::Nothing(NoData::HubBusy),
        ),
        (nothing(NoData::HubBusy), "a:silent@250", bad(ProbeFailure::Timeout)),
        (timeout, "a:busy@0 b:silent@250", bad(ProbeFailure::Timeout)),
        (refused, "a:busy@0", ProbeResult::Nothing(NoData::HubBusy)),
    ] {
        assert_eq!(judge_round(&echo, &samples(asked)), wanted, "{echo:?} and {asked:?}");
    }
}
