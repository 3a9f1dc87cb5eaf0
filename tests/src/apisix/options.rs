//! What can be chosen about a stand-in.

use std::net::{Ipv4Addr, SocketAddr};

use super::calls::KeepCalls;

/// How a stand-in is set up. `StandInOptions::default()` binds free ports on 127.0.0.1.
#[derive(Clone, Debug)]
pub struct StandInOptions {
    /// address of the Admin API; port 0 takes a free one
    pub admin: SocketAddr,
    /// address of the gateway for plain HTTP; port 0 takes a free one
    pub gateway: SocketAddr,
    /// address of the gateway for HTTPS; port 0 takes a free one
    pub gateway_tls: SocketAddr,
    /// address of the control API; port 0 takes a free one
    pub control: SocketAddr,
    /// key that may read and write
    pub admin_key: String,
    /// key that may only read
    pub viewer_key: String,
    /// how many Admin API calls are remembered; by default all
    pub keep_calls: KeepCalls,
    /// the name whose certificate a client gets that sends none, as gRPC upstreams do; by default
    /// its handshake fails
    pub fallback_sni: Option<String>,
    /// etcd's revision before the first write
    pub first_revision: u64,
}

impl Default for StandInOptions {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            admin: free,
            gateway: free,
            gateway_tls: free,
            control: free,
            admin_key: "stand-in-admin-key".to_owned(),
            viewer_key: "stand-in-viewer-key".to_owned(),
            keep_calls: KeepCalls::All,
            fallback_sni: None,
            first_revision: 1,
        }
    }
}
