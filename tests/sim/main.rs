//! The simulation: agents, hub and target in one process under paused time, with faults drawn from a seed.
//!
//! Real is everything from an agent's source events to the operations at the target: translate, publish, sessions, HTTP/2
//! and the wire, ingest, clusters, federation, planner, core, persistence (redb on a simulated disk), driver and schedule.
//! Simulated are API servers, lines, disk and APISIX. See `docs/architecture.md`.
//!
//! `cargo test -p hubline-sandbox --test sim` runs a thousand seeds; `-- --seed 4711` one of them, line by line.

mod agent;
mod certificates;
mod chance;
mod client;
mod disk;
mod faults;
mod fleet;
mod hub;
mod life;
mod log;
mod network;
mod oracle;
mod promises;
mod run;
mod source;
mod stream;
mod target;
mod truth;
mod users;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use run::{Report, run};

/// Seeds unless `HUBLINE_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// How many seeds there are to one that runs twice.
const TWICE: u64 = 100;

/// A lock whose holder panicked is taken all the same: the run fails anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be run.
enum Order {
    One(u64),
    /// So many, from 0 on.
    Many(u64),
    /// Names of tests, for runners that ask.
    List,
}

fn main() -> ExitCode {
    match order() {
        Ok(Order::List) => {
            eprintln!("simulation: test");
            ExitCode::SUCCESS
        }
        Ok(Order::One(seed)) => one(seed),
        Ok(Order::Many(seeds)) => many(seeds),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn order() -> anyhow::Result<Order> {
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seed" => {
                let seed = arguments.next().unwrap_or_default();
                return Ok(Order::One(seed.parse()?));
            }
            "--list" => return Ok(Order::List),
            // What a runner of all tests passes on is none of ours.
            _ => {}
        }
    }
    if let Ok(seed) = std::env::var("HUBLINE_SIM_SEED") {
        return Ok(Order::One(seed.parse()?));
    }
    match std::env::var("HUBLINE_SIM_SEEDS") {
        Ok(seeds) => Ok(Order::Many(seeds.parse()?)),
        Err(_) => Ok(Order::Many(SEEDS)),
    }
}

/// Runs one seed in sight.
fn one(seed: u64) -> ExitCode {
    if let Ok(filter) = std::env::var("HUBLINE_SIM_LOG") {
        let layer = tracing_subscriber::fmt().with_env_filter(filter).without_time();
        layer.with_writer(std::io::stderr).init();
    }
    let report = run(seed, true);
    for (at, fault) in &report.schedule {
        eprintln!("scheduled at {at:?}: {fault}");
    }
    conclude(&[report])
}

/// Runs many, on as many threads as there are cores; the first that fails is the last, unless `HUBLINE_SIM_GO_ON` is set.
fn many(seeds: u64) -> ExitCode {
    let go_on = std::env::var("HUBLINE_SIM_GO_ON").is_ok();
    let next = AtomicU64::new(0);
    let reports = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < seeds
                {
                    let report = checked(seed);
                    let mut reports = lock(&reports);
                    if !report.violations.is_empty() {
                        show(&report, go_on);
                        next.store(
                            if go_on { next.load(Ordering::Relaxed) } else { seeds },
                            Ordering::Relaxed,
                        );
                    }
                    reports.push(report.without_lines());
                }
            });
        }
    });
    let mut reports = std::mem::take(&mut *lock(&reports));
    reports.sort_by_key(|report| report.seed);
    differ(&mut reports);
    conclude(&reports)
}

/// Runs a seed; every hundredth twice, since a seed that does not do the same twice is of no use to anyone.
fn checked(seed: u64) -> Report {
    let mut report = guarded(seed);
    if seed.is_multiple_of(TWICE) && report.violations.is_empty() {
        let again = guarded(seed);
        let lines = report.lines.iter().zip(&again.lines);
        if let Some((one, other)) = lines.clone().find(|(one, other)| one != other) {
            report
                .violations
                .push(format!("does not do the same twice: {one:?}, then {other:?}"));
        }
    }
    report
}

/// Seeds that do the same as others test nothing.
fn differ(reports: &mut [Report]) {
    let mut seen = BTreeMap::new();
    for report in reports {
        if let Some(other) = seen.insert(report.digest, report.seed) {
            report.violations.push(format!("does the same as seed {other}"));
            show(report, true);
        }
    }
}

/// A panic is a violation too.
fn guarded(seed: u64) -> Report {
    catch_unwind(AssertUnwindSafe(|| run(seed, false))).unwrap_or_else(|_| Report {
        seed,
        schedule: Vec::new(),
        violations: vec!["panicked".to_owned()],
        digest: seed,
        lines: Vec::new(),
        counts: BTreeMap::new(),
        seconds: 0.0,
    })
}

fn show(report: &Report, briefly: bool) {
    let seed = report.seed;
    if !briefly {
        for line in &report.lines {
            eprintln!("{line}");
        }
        for (at, fault) in &report.schedule {
            eprintln!("scheduled at {at:?}: {fault}");
        }
    }
    for violation in &report.violations {
        eprintln!("seed {seed}: {violation}");
    }
    eprintln!("again: cargo test -p hubline-sandbox --test sim -- --seed {seed}");
}

fn conclude(reports: &[Report]) -> ExitCode {
    let good = reports.iter().all(|report| report.violations.is_empty());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, count) in reports.iter().flat_map(|report| &report.counts) {
        *counts.entry(what).or_default() += count;
    }
    let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
    let word = if good { "all promises held" } else { "FAILED" };
    let (seeds, hours) = (reports.len(), seconds / 3600.0);
    eprintln!(
        "simulation: {seeds} seeds, {hours:.1} simulated hours, {}: {word}",
        counts.join(", ")
    );
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
