//! The certificates of a system, and their replacement while it runs: files are overwritten, as an operator would.

use anyhow::Result;
use hubline::model::ClusterId;
use hubline::tls::{Authority, Files, Issued};

use super::System;

impl System {
    /// The authority that issues what comes next.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Lets another authority issue what comes next, and gives the one before. Nothing is written.
    pub fn change_authority(&mut self, next: Authority) -> Authority {
        std::mem::replace(&mut self.authority, next)
    }

    /// From now on the hub, or the agent of a cluster, trusts these authorities.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn trust(&self, whose: Owner<'_>, authorities: &[&Authority]) -> Result<()> {
        let bundle: String = authorities.iter().map(|it| it.certificate()).collect();
        Ok(std::fs::write(self.files(whose).ca, bundle)?)
    }

    /// A new certificate from [`System::authority`], first its chain and then its key; returns the chain (PEM).
    ///
    /// # Errors
    /// When the cluster's name is none, or a file cannot be written.
    pub fn renew(&self, whose: Owner<'_>) -> Result<String> {
        let Issued { chain, private_key } = match whose {
            Owner::Hub => self.authority.issue_hub(&["localhost", "127.0.0.1"])?,
            Owner::Agent(cluster) => self.authority.issue_agent(&ClusterId::new(cluster)?)?,
        };
        let files = self.files(whose);
        std::fs::write(files.certificate, &chain)?;
        std::fs::write(files.key, private_key.expose())?;
        Ok(chain)
    }

    /// Where the certificates lie.
    #[must_use]
    pub fn files(&self, whose: Owner<'_>) -> Files {
        let name = match whose {
            Owner::Hub => "hub".to_owned(),
            Owner::Agent(cluster) => format!("agent-{cluster}"),
        };
        Files::in_directory(&self.folder().join(name))
    }
}

/// Whose certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// The hub's.
    Hub,
    /// Those of the agent of a cluster.
    Agent(&'a str),
}
