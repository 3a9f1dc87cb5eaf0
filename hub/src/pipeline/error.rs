//! Why a hub does not run.

use std::net::SocketAddr;

use crate::api::ApiError;
use crate::config::Invalid;
use crate::ingest::ServeError;
use crate::persist::PersistError;
use crate::plan::id::IdError;
use crate::sink::admin::AdminError;
use hubline::tls::TlsError;

/// Which part failed, and why.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The port for agents.
    #[error("listen.agents: cannot listen on {address}: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The configuration, where only a start can tell.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// Ids.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The data directory.
    #[error(transparent)]
    Persist(#[from] PersistError),
    /// The target's address, key or authorities.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The agents' listener.
    #[error(transparent)]
    Ingest(#[from] ServeError),
    /// The configuration file cannot be watched.
    #[error("the configuration file cannot be watched: {0}")]
    Reload(std::io::Error),
    /// A part panicked.
    #[error("a part of the hub panicked: {0}")]
    Panicked(String),
}
