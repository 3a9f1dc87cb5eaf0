//! The binaries that are measured: built by cargo, or named.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use tokio::process::Command;

use super::{Options, progress};

/// How they are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Profile {
    /// Optimized.
    Release,
    /// Optimized as a whole, which takes minutes more: half the binary, and so less of it in memory.
    Shipped,
    /// For a look whether the benchmark works.
    Dev,
}

impl Profile {
    /// Cargo's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Shipped => "shipped",
            Self::Dev => "dev",
        }
    }
}

/// Both binaries.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) agent: PathBuf,
    pub(super) hub: PathBuf,
}

/// What cargo says of one thing that it built.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

impl Binaries {
    /// Those that the options name, else built.
    pub(super) async fn find(options: &Options) -> Result<Self> {
        if let (Some(agent), Some(hub)) = (&options.agent, &options.hub) {
            let (agent, hub) = (agent.canonicalize()?, hub.canonicalize()?);
            return Ok(Self { agent, hub });
        }
        progress(&format!("building agent and hub, profile {}", options.profile.name()));
        let built = build(options.profile).await?;
        let executable = |name: &str| {
            let mut named = built
                .iter()
                .filter(|path| path.file_name().is_some_and(|it| it == name));
            named.next().cloned().with_context(|| format!("cargo built no {name}"))
        };
        Ok(Self {
            agent: executable("hubline-agent")?,
            hub: executable("hubline-hub")?,
        })
    }
}

/// Runs the cargo that runs us; returns the executables.
async fn build(profile: Profile) -> Result<Vec<PathBuf>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--profile", profile.name()])
        .args(["-p", "hubline-agent", "-p", "hubline-hub"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo build ended with {}", output.status);
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let built = lines.filter_map(|line| serde_json::from_slice::<Built>(line).ok()?.executable);
    Ok(built.collect())
}
