//! Why an agent cannot begin.

use std::net::SocketAddr;

use crate::config::AgentConfigError;

/// Why an agent cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] AgentConfigError),
    /// There is no way to an API server.
    #[error("source.kube: {0}")]
    Kube(String),
    /// The echo port's address.
    #[error("echo.listen: cannot listen on {address}: {source}; give the echo port another address, or say \"off\"")]
    Echo {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The health server's address.
    #[error("listen: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}
