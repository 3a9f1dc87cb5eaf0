//! Reaching a hub: one address after the other.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hubline::tls::ClientSide;
use tokio::sync::watch;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

/// How long one address may take to connect: three SYN retransmissions (1, 2 and 4 s by RFC 6298) would be 7 s;
/// 5 s lets the next address, which may be the public one, have its turn while people still wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no address of a hub could be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The certificates of this agent cannot be used.
    #[error("cannot use the certificates: {problem}")]
    Credentials {
        /// What is wrong with which file.
        problem: String,
    },
    /// Not an address.
    #[error("hub address {address:?} is not HOST:PORT: {problem}")]
    Address {
        /// As configured.
        address: String,
        /// What is wrong.
        problem: String,
    },
    /// All were tried.
    #[error("cannot connect to {address}: {problem}")]
    Unreachable {
        /// The address that was tried last.
        address: String,
        /// What its connection said, with causes.
        problem: String,
    },
}

impl ConnectError {
    /// The value of the metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Credentials { .. } => "credentials",
            Self::Address { .. } => "bad-address",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    pub(crate) fn unreachable(address: &str, error: &dyn std::error::Error) -> Self {
        Self::Unreachable {
            address: address.to_owned(),
            problem: with_causes(error),
        }
    }
}

/// Opens a channel to one address; tests connect in process.
#[async_trait]
pub trait Connect: std::fmt::Debug + Send + Sync + 'static {
    /// Connects once, without trying again.
    async fn connect(&self, address: &str) -> Result<Channel, ConnectError>;

    /// Returns when the certificates are no longer those of the last [`Connect::connect`].
    async fn renewed(&self) {
        std::future::pending().await
    }
}

/// mTLS over TCP, with the certificates that are in force when it connects.
#[derive(Debug)]
pub struct TlsConnect {
    // A standard lock: it is held to read the newest value, never over an await.
    certificates: Mutex<watch::Receiver<Arc<ClientSide>>>,
    server_name: Option<String>,
}

impl TlsConnect {
    /// The hub's certificate must be for `server_name`, or for the host that is dialled when that is none.
    #[must_use]
    pub fn new(certificates: watch::Receiver<Arc<ClientSide>>, server_name: Option<String>) -> Self {
        Self {
            certificates: Mutex::new(certificates),
            server_name,
        }
    }

    fn newest(&self) -> ClientTlsConfig {
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = Arc::clone(&certificates.borrow_and_update());
        newest.tls(self.server_name.as_deref())
    }
}

#[async_trait]
impl Connect for TlsConnect {
    async fn connect(&self, address: &str) -> Result<Channel, ConnectError> {
        let tls = self.newest();
        let bad_address = |error: tonic::transport::Error| ConnectError::Address {
            address: address.to_owned(),
            problem: with_causes(&error),
        };
        let endpoint = Endpoint::from_shared(format!("https://{address}")).map_err(bad_address)?;
        let endpoint = endpoint.tls_config(tls).map_err(|error| ConnectError::Credentials {
            problem: with_causes(&error),
        })?;
        let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true);
        // The timeout above covers TCP only; a peer that accepts and then says nothing would hold the TLS handshake.
        match tokio::time::timeout(2 * CONNECT_TIMEOUT, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(ConnectError::unreachable(address, &error)),
            Err(elapsed) => Err(ConnectError::unreachable(address, &elapsed)),
        }
    }

    async fn renewed(&self) {
        // The clone knows which one was used last.
        let mut certificates = self.certificates.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if certificates.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// An error with its causes: transports hide the telling one deep inside.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
