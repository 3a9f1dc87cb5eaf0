//! The binaries that are measured: built by cargo, or named.

use std::path::PathBuf;

use anyhow::Result;

use super::{Options, progress};
use crate::build::Executables;

/// Both binaries.
#[derive(Debug)]
pub(super) struct Binaries {
    pub(super) agent: PathBuf,
    pub(super) hub: PathBuf,
}

impl Binaries {
    /// Those that the options name, else built.
    pub(super) async fn find(options: &Options) -> Result<Self> {
        if let (Some(agent), Some(hub)) = (&options.agent, &options.hub) {
            let (agent, hub) = (agent.canonicalize()?, hub.canonicalize()?);
            return Ok(Self { agent, hub });
        }
        progress(&format!("building agent and hub, profile {}", options.profile.name()));
        let built = Executables::build(options.profile, &["hubline-agent", "hubline-hub"]).await?;
        Ok(Self {
            agent: built.named("hubline-agent")?,
            hub: built.named("hubline-hub")?,
        })
    }
}
