//! TLS between agent and hub, and the checks of certificates that both sides make.
//!
//! Both ends show a certificate of the operator's own authority: the hub by its names, an agent by the cluster it
//! speaks for ([`cluster_of_certificate`]). A [`Reloader`] follows the files and publishes what is in force.
//! No system roots, no unencrypted fallback, no revocation lists: to revoke is to take an authority away.

pub mod authority;
mod expiry;
mod files;
mod identity;
mod pair;
mod reload;
mod side;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use authority::{Authority, AuthorityError, Issued};
pub use expiry::{Expiry, Role, Stage, Validity};
pub use files::{Files, TlsError, client_tls, server_config};
pub use identity::{IdentityError, cluster_of_certificate, cluster_uri};
pub use pair::{CertificateFacts, PairError, check_authorities, check_pair};
pub use reload::{Reloader, Times};
pub use side::{ClientSide, ServerSide, Side};

/// Makes aws-lc-rs the process's TLS provider. Every `main` calls it first; calling it again changes nothing.
pub fn install_provider() {
    // It fails only when a provider is installed already, and nothing here installs another.
    drop(aws_lc_rs::default_provider().install_default());
}

/// The provider for configurations built here, whether or not one is installed.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
