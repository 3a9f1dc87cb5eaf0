//! Finds the `kube-apiserver` and `etcd` binaries, or builds them from the Go modules under
//! `tests/kube`.
//!
//! Built once per version and user: the folder's name is a hash of both `go.sum`, a file lock keeps
//! several test processes from building at the same time, and a finished binary appears by rename.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::Instant;

/// One binary and the module that builds it.
struct Binary {
    name: &'static str,
    /// Folder below `tests/kube`.
    module: &'static str,
    package: &'static str,
}

/// The quick one first: if `go` does not work at all, that shows within a minute.
const BINARIES: [Binary; 2] = [
    Binary {
        name: "etcd",
        module: "etcd",
        package: "go.etcd.io/etcd/server/v3",
    },
    Binary {
        name: "kube-apiserver",
        module: "apiserver",
        package: "k8s.io/kubernetes/cmd/kube-apiserver",
    },
];

/// A person waits up to ten minutes for a cold build and wants to see that it moves.
const PROGRESS: Duration = Duration::from_secs(5);

/// Lines of the compiler's output shown when it fails.
const TAIL: usize = 20;

/// The folder with both binaries: `KUBEBUILDER_ASSETS` where set, else the user's cache, into
/// which they are built when missing (blocking: five to ten minutes on two cores, once).
///
/// # Errors
/// When `KUBEBUILDER_ASSETS` lacks a binary, `go` is not installed, or the build fails.
pub fn folder() -> Result<PathBuf> {
    if let Some(named) = env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()) {
        return check_named(PathBuf::from(named));
    }
    let folder = cache_folder()?;
    if missing(&folder)?.is_empty() {
        return Ok(folder);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let _lock = lock(&folder)?;
    // Looked up again: who held the lock before may have built them.
    for binary in missing(&folder)? {
        build(binary, &folder)?;
    }
    Ok(folder)
}

fn check_named(folder: PathBuf) -> Result<PathBuf> {
    let missing = missing(&folder)?;
    let names: Vec<_> = missing.iter().map(|binary| binary.name).collect();
    ensure!(
        names.is_empty(),
        "KUBEBUILDER_ASSETS names {}, which lacks {}",
        folder.display(),
        names.join(" and ")
    );
    Ok(folder)
}

/// `${XDG_CACHE_HOME:-~/.cache}/hubline/kube-<hash of both go.sum>`.
fn cache_folder() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => env::home_dir()
            .context("neither XDG_CACHE_HOME nor HOME is set")?
            .join(".cache"),
    };
    Ok(cache.join("hubline").join(format!("kube-{}", version())))
}

fn version() -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(include_bytes!("../../kube/apiserver/go.sum"));
    hasher.update(include_bytes!("../../kube/etcd/go.sum"));
    let mut version = hasher.finalize().to_hex().to_string();
    // 64 bits are plenty to tell the few versions of one cache apart.
    version.truncate(16);
    version
}

fn missing(folder: &Path) -> Result<Vec<&'static Binary>> {
    let mut missing = Vec::new();
    for binary in &BINARIES {
        if !folder.join(binary.name).try_exists()? {
            missing.push(binary);
        }
    }
    Ok(missing)
}

/// Held until dropped; the kernel frees it when the process dies.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("waiting for another process that builds kube-apiserver and etcd");
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

fn build(binary: &Binary, folder: &Path) -> Result<()> {
    // Only the holder of the lock writes here, so that one name is enough.
    let unfinished = folder.join(format!("{}.unfinished", binary.name));
    let mut child = go_build(binary, &unfinished)?;
    let output = child.stderr.take().context("the build has no error output")?;
    let tail = follow(binary.name, &lines_of(output));
    let status = child.wait()?;
    if !status.success() {
        bail!("cannot build {}: {status}:\n{}", binary.name, tail.join("\n"));
    }
    fs::rename(&unfinished, folder.join(binary.name)).with_context(|| format!("cannot move {} into place", binary.name))
}

fn go_build(binary: &Binary, output: &Path) -> Result<Child> {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("kube").join(binary.module);
    Command::new("go")
        .args(["build", "-v", "-trimpath", "-buildvcs=false"])
        .arg("-ldflags=-s -w")
        .arg("-o")
        .arg(output)
        .arg(binary.package)
        .env("CGO_ENABLED", "0")
        .current_dir(module)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!(
                "cannot run `go` to build {}: install Go, or set KUBEBUILDER_ASSETS to a folder \
                 with kube-apiserver and etcd",
                binary.name
            )
        })
}

/// The lines of a pipe, read by a thread of their own. The queue needs no depth: a compiler may
/// wait for the reader for a moment.
fn lines_of(pipe: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Prints how far the build is until its output ends; returns the last lines of it.
fn follow(name: &str, lines: &Receiver<String>) -> Vec<String> {
    let begin = Instant::now();
    let mut shown = begin;
    let mut count = 0_usize;
    let mut tail = Vec::new();
    eprintln!("building {name} for the tests (minutes, only once per version)");
    loop {
        match lines.recv_timeout(PROGRESS) {
            Ok(line) => {
                count += 1;
                keep_last(&mut tail, line);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return tail,
        }
        if shown.elapsed() >= PROGRESS {
            shown = Instant::now();
            let seconds = begin.elapsed().as_secs();
            eprintln!("building {name}: {count} packages or downloads, {seconds} s");
        }
    }
}

fn keep_last(tail: &mut Vec<String>, line: String) {
    if tail.len() == TAIL {
        tail.remove(0);
    }
    tail.push(line);
}
