//! Runs a test again in a network namespace of its own, where `10.90.0.0/16` and `fd00:90::/64`
//! are local addresses.
//!
//! The API server refuses EndpointSlice addresses in 127.0.0.0/8, so backends need others. Needs
//! no root: a user namespace with `unshare` (util-linux) and `ip` (iproute2). Everything that the
//! test starts, servers and processes, lives on that namespace's loopback device, and nothing
//! outside can be reached.

use std::env;
use std::io::Write;
use std::process::{Command, Output};

/// Names the test that this process was started for.
const MARK: &str = "HUBLINE_TEST_IN_NAMESPACE";

/// The mark of a binary that runs whole.
const WHOLE: &str = "*";

/// Makes every address of both ranges local. An IPv4 prefix on the loopback device does so by
/// itself; IPv6 needs the route, and the permission to bind what the route says.
const SETUP: &str = "set -e
ip link set lo up
ip address add 10.90.0.1/16 dev lo
ip -6 address add fd00:90::1/64 dev lo nodad
ip -6 route add local fd00:90::/64 dev lo
echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind
exec \"$@\"";

/// What came of running a test in a namespace.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed(String),
    /// The kernel, or a missing program, does not allow namespaces.
    Refused(String),
}

/// True inside the namespace: go on with the test. False when the test has passed there, or when
/// namespaces are refused here: return at once. Begins a test as
///
/// ```no_run
/// # use hubline_sandbox::netns;
/// #[test]
/// fn serves_pod_addresses() {
///     if !netns::enter("serves_pod_addresses") {
///         return;
///     }
///     // …
/// }
/// ```
///
/// `test` is the name as `cargo test -- --list` shows it, with its modules.
///
/// # Panics
/// With the test's output when it fails in the namespace; when no test has that name; and, where
/// `CI=true`, when namespaces are refused. Elsewhere that prints a line that begins with `SKIPPED`.
#[must_use]
pub fn enter(test: &str) -> bool {
    if env::var_os(MARK).is_some_and(|mark| mark == test) {
        return true;
    }
    match run(test) {
        Outcome::Passed => {}
        Outcome::Failed(output) => panic!("{test} failed in its network namespace:\n{output}"),
        Outcome::Refused(reason) => skip(test, &reason, env::var("CI").as_deref() == Ok("true")),
    }
    false
}

/// What came of running the whole binary in a namespace.
#[derive(Debug)]
pub enum Whole {
    /// This is the process inside: go on.
    Inside,
    /// It ran there, and ended so.
    Ran(std::process::ExitStatus),
    /// The kernel, or a missing program, does not allow namespaces.
    Refused(String),
}

/// As [`enter`], for a test binary with a harness of its own: runs all of it again, with its arguments.
///
/// # Errors
/// When the process cannot be started though namespaces are allowed.
pub fn enter_whole() -> std::io::Result<Whole> {
    if env::var_os(MARK).is_some_and(|mark| mark == WHOLE) {
        return Ok(Whole::Inside);
    }
    if let Err(reason) = probe() {
        return Ok(Whole::Refused(reason));
    }
    let mut command = in_namespace();
    command
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(MARK, WHOLE);
    command.status().map(Whole::Ran)
}

fn run(test: &str) -> Outcome {
    if let Err(reason) = probe() {
        return Outcome::Refused(reason);
    }
    let binary = match env::current_exe() {
        Ok(binary) => binary,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let mut command = in_namespace();
    command.arg(binary).args([test, "--exact", "--nocapture"]);
    match command.env(MARK, test).output() {
        Ok(output) => judge(&output),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Whether a namespace can be set up at all, told apart from a test that fails in it.
fn probe() -> Result<(), String> {
    let output = in_namespace().arg("true").output();
    let output = output.map_err(|error| format!("cannot run unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn in_namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "sh", "-c", SETUP, "sh"]);
    command
}

/// libtest succeeds when a filter matches nothing: the count must be there too.
fn judge(output: &Output) -> Outcome {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() && text.contains("test result: ok. 1 passed") {
        return Outcome::Passed;
    }
    Outcome::Failed(text)
}

fn skip(test: &str, reason: &str, in_ci: bool) {
    assert!(
        !in_ci,
        "{test} needs a network namespace, and CI skips nothing: {reason}"
    );
    // Not eprintln!: libtest would keep the line of a passing test to itself.
    let line = format!("SKIPPED {test}: no network namespace here: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}

#[cfg(test)]
mod tests;
