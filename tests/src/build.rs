//! Builds the binaries that are measured, with the cargo that runs us.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::Deserialize;
use tokio::process::Command;

/// How the binaries are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// As they ship.
    Shipped,
    /// Optimized for speed alone, in half the time.
    Release,
    /// For a look whether a benchmark works.
    Dev,
}

impl Profile {
    /// Cargo's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }
}

/// What cargo says of one thing that it built.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

/// What was built.
pub(crate) struct Executables(Vec<PathBuf>);

impl Executables {
    /// Builds these packages of the workspace in a profile of cargo's.
    pub(crate) async fn build(profile: Profile, packages: &[&str]) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--profile", profile.name()])
            .args(packages.iter().flat_map(|package| ["-p", package]))
            .arg("--message-format=json-render-diagnostics")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stderr(Stdio::inherit())
            .output()
            .await
            .context("cannot run cargo")?;
        ensure!(output.status.success(), "cargo build ended with {}", output.status);
        let lines = output.stdout.split(|&byte| byte == b'\n');
        let built = lines.filter_map(|line| serde_json::from_slice::<Built>(line).ok()?.executable);
        Ok(Self(built.collect()))
    }

    /// The one of this name.
    pub(crate) fn named(&self, name: &str) -> Result<PathBuf> {
        let found = self.0.iter().find(|path| path.ends_with(name)).cloned();
        found.with_context(|| format!("cargo built no {name}"))
    }
}
