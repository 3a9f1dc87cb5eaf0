//! Child processes that never outlive the test process, with their output kept in a file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result};

/// Lines of a server's log shown in an error.
const TAIL: usize = 25;

/// A running server. Killed when dropped, and by the kernel when the test process dies.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs appended to `log`.
    pub(crate) fn start(program: &Path, arguments: Vec<String>, log: PathBuf) -> Result<Self> {
        let output = File::options().create(true).append(true).open(&log)?;
        let mut command = dying_with_us(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = spawn(command).with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has (blocking).
    pub(crate) fn terminate(mut self) -> Result<ExitStatus> {
        let asked = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.id())])
            .status()?;
        anyhow::ensure!(asked.success(), "cannot send SIGTERM: {asked}");
        Ok(self.child.wait()?)
    }

    /// The exit status when it has ended by itself.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only when it has ended already. The wait frees its port before we return.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `PR_SET_PDEATHSIG` by way of util-linux, since setting it ourselves needs `unsafe`. Without
/// `setpriv` an aborted test leaves its servers behind.
fn dying_with_us(program: &Path) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "true"]);
        probe.output().is_ok_and(|output| output.status.success())
    });
    if !*SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

struct Request {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

/// Starts a process from a thread that lives as long as we do: the kernel sends the death signal
/// when the *thread* that started the child ends, and each test is a thread.
fn spawn(command: Command) -> io::Result<Child> {
    static NURSE: LazyLock<SyncSender<Request>> = LazyLock::new(|| {
        // Callers wait for their answer, so that nothing queues up.
        let (sender, requests) = sync_channel(1);
        std::thread::spawn(move || nurse(&requests));
        sender
    });
    let (answer, child) = sync_channel(1);
    NURSE.send(Request { command, answer }).map_err(io::Error::other)?;
    child.recv().map_err(io::Error::other)?
}

fn nurse(requests: &Receiver<Request>) {
    for Request { mut command, answer } in requests {
        if let Err(unclaimed) = answer.send(command.spawn()) {
            drop(unclaimed.0.map(|mut child| child.kill()));
        }
    }
}
