//! The whole system on real sockets with real TLS: agents, hub, a stand-in APISIX whose data plane proxies, and, where a
//! test says so, real kube-apiservers. Each file is one subject; each test that keeps a promise of DESIGN section 5
//! carries its name.
//!
//! All of it runs in a network namespace of its own, where 10.90.0.0/16 and fd00:90::/64 are local: the API server
//! refuses EndpointSlices with loopback addresses. One test at a time, since they share two API servers.

mod bad_input;
mod certificates;
mod cost;
mod failover;
mod federation;
mod fixture;
mod kinds;
mod listings;
mod log;
mod restarts;
mod resume;
mod secrets;
mod slow_line;
mod strangers;
mod versions;

use std::future::Future;
use std::process::ExitCode;

use anyhow::{Context, Result};
use hubline_sandbox::netns::{Whole, enter_whole};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    match enter_whole() {
        Ok(Whole::Inside) => run(),
        Ok(Whole::Ran(status)) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Ok(Whole::Refused(reason)) => skip(&reason),
        Err(error) => {
            eprintln!("cannot run in a network namespace: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> ExitCode {
    log::start();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let subjects = [
        federation::trials(),
        cost::trials(),
        restarts::trials(),
        resume::trials(),
        listings::trials(),
        kinds::trials(),
        strangers::trials(),
        versions::trials(),
        bad_input::trials(),
        secrets::trials(),
        certificates::trials(),
        slow_line::trials(),
        failover::trials(),
    ];
    let conclusion = libtest_mimic::run(&arguments, subjects.into_iter().flatten().collect());
    fixture::shutdown();
    if let Err(error) = failover::show() {
        eprintln!("the figures of failover cannot be shown: {error:#}");
    }
    conclusion.exit_code()
}

/// Without namespaces nothing here can run; CI takes that for a failure.
fn skip(reason: &str) -> ExitCode {
    eprintln!("SKIPPED e2e: no network namespace here: {reason}");
    if std::env::var("CI").as_deref() == Ok("true") {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// A test of this binary: an async function with a runtime of its own.
fn trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = Result<()>>,
{
    Trial::test(name, move || {
        log::clear();
        let runtime = tokio::runtime::Runtime::new().context("no runtime")?;
        runtime
            .block_on(test())
            .map_err(|error| Failed::from(format!("{error:#}\n\nlogged last:\n{}", log::tail())))
    })
}
