//! The handle of a running stand-in.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::calls::Call;
use super::client::AdminClient;
use super::control;
use super::faults::{CallHead, Fault, FaultGuard};
use super::kind::Kind;
use super::options::StandInOptions;
use super::server::{Endpoint, serve_admin, serve_control, serve_gateway, serve_gateway_tls, tls_acceptor};
use super::shared::{Shared, lock};

/// One of the sockets of a stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// the Admin API
    Admin,
    /// the gateway for plain HTTP
    Gateway,
    /// the gateway for HTTPS
    GatewayTls,
    /// the control API
    Control,
}

impl Part {
    const ALL: [Part; 4] = [Part::Admin, Part::Gateway, Part::GatewayTls, Part::Control];
}

/// A running stand-in; everything ends when it is dropped.
#[derive(Debug)]
pub struct StandIn {
    shared: Arc<Shared>,
    admin: Endpoint,
    gateway: Endpoint,
    gateway_tls: Endpoint,
    control: Endpoint,
    admin_key: String,
}

impl StandIn {
    /// Binds the sockets and begins to serve.
    ///
    /// # Errors
    /// If an address can't be bound.
    pub async fn start(options: StandInOptions) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared::new(&options));
        let acceptor = tls_acceptor(Arc::clone(&shared), options.fallback_sni)?;
        let [for_admin, for_gateway, for_tls, for_control] = [(); 4].map(|()| Arc::clone(&shared));
        let admin = Endpoint::bind(options.admin, move |connection| {
            serve_admin(Arc::clone(&for_admin), connection)
        });
        let gateway = Endpoint::bind(options.gateway, move |connection| {
            serve_gateway(Arc::clone(&for_gateway), connection)
        });
        let gateway_tls = Endpoint::bind(options.gateway_tls, move |connection| {
            serve_gateway_tls(Arc::clone(&for_tls), acceptor.clone(), connection)
        });
        let control = Endpoint::bind(options.control, move |connection| {
            serve_control(Arc::clone(&for_control), connection)
        });
        Ok(Self {
            shared,
            admin: admin.await.context("admin api")?,
            gateway: gateway.await.context("gateway")?,
            gateway_tls: gateway_tls.await.context("gateway with tls")?,
            control: control.await.context("control api")?,
            admin_key: options.admin_key,
        })
    }

    /// Where the Admin API is, such as `http://127.0.0.1:40123`; paths begin with `/apisix/admin`.
    pub fn admin_url(&self) -> String {
        format!("http://{}", reachable(self.admin.address()))
    }

    /// The key that may read and write.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// Where the gateway takes plain HTTP.
    pub fn gateway_addr(&self) -> SocketAddr {
        reachable(self.gateway.address())
    }

    /// Where the gateway takes HTTPS; the certificate is chosen by SNI, without one of `ssls` for
    /// it the handshake fails.
    pub fn gateway_tls_addr(&self) -> SocketAddr {
        reachable(self.gateway_tls.address())
    }

    /// Where the control API is, such as `http://127.0.0.1:40124`; paths begin with `/v1`.
    pub fn control_url(&self) -> String {
        format!("http://{}", reachable(self.control.address()))
    }

    /// What health checks have found, as the control API's `/v1/healthcheck` shows it.
    /// [`StandIn::wait_until`] looks again whenever a node went up or down.
    pub fn health(&self) -> Value {
        control::all(&self.shared.state().live)
    }

    /// Writes an object as if straight into etcd: nothing is checked, and nothing is added. Plugin
    /// configs and global rules without `id` in their value are stored, but not used.
    pub fn write_straight(&self, kind: Kind, id: &str, value: Value) {
        self.shared.state().put(kind, id, value, None);
        self.shared.changed();
    }

    /// Removes an object as if straight from etcd, whoever uses it; false if it was not there.
    pub fn remove_straight(&self, kind: Kind, id: &str) -> bool {
        let removed = self.shared.state().remove(kind, id).is_some();
        self.shared.changed();
        removed
    }

    /// A client of the Admin API with the admin key. Its calls are recorded as everyone's are.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn admin(&self) -> anyhow::Result<AdminClient> {
        AdminClient::new(&self.admin_url(), &self.admin_key)
    }

    /// Whether objects outlive their time to live: a test on a busy machine says when it is over.
    pub fn hold_expiry(&self, held: bool) {
        self.shared.expiry_held.send_replace(held);
    }

    /// All remembered Admin API calls, oldest first, reads included.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls().all()
    }

    /// The remembered calls that ask for a change, refused ones included.
    pub fn writes(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_write).collect()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.shared.calls().clear();
    }

    /// The stored objects of a kind, by id; private keys included. Ids of credentials are
    /// `{consumer}/credentials/{id}`, of secrets `{manager}/{id}`.
    pub fn objects(&self, kind: Kind) -> BTreeMap<String, Value> {
        let state = self.shared.state();
        let objects = state.store.list(kind).iter();
        objects
            .map(|(id, object)| (id.clone(), (*object.value).clone()))
            .collect()
    }

    /// How many objects of a kind are stored.
    pub fn count(&self, kind: Kind) -> usize {
        self.shared.state().store.list(kind).len()
    }

    /// How many objects of all kinds are stored.
    pub fn count_all(&self) -> usize {
        self.shared.state().store.len()
    }

    /// One stored object.
    pub fn object(&self, kind: Kind, id: &str) -> Option<Value> {
        let state = self.shared.state();
        state.store.get(kind, id).map(|object| (*object.value).clone())
    }

    /// Waits until `holds`; looks again after every call and every change, of a node's health too.
    ///
    /// # Errors
    /// If it doesn't hold within `limit`; the error names `what` and the last calls.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&StandIn) -> bool,
    ) -> anyhow::Result<()> {
        let mut changes = self.shared.changes();
        let held = async {
            while !holds(self) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(limit, held).await;
        waited.with_context(|| format!("no {what} within {limit:?}; last calls: {}", self.last_calls()))
    }

    /// Methods, paths and statuses of the last ten calls: no bodies, they may hold secrets.
    fn last_calls(&self) -> String {
        let calls = self.calls();
        let last = calls.iter().rev().take(10).rev();
        let shown = last.map(|call| format!("{} {} {}", call.method, call.path, call.status));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// The next `times` calls fail with `fault`; reads included.
    pub fn fail_next(&self, times: u32, fault: Fault) {
        self.fail_next_matching(times, fault, |_| true);
    }

    /// The next `times` calls that match fail with `fault`.
    pub fn fail_next_matching(
        &self,
        times: u32,
        fault: Fault,
        matches: impl Fn(&CallHead) -> bool + Send + Sync + 'static,
    ) {
        if times > 0 {
            lock(&self.shared.faults).add(Box::new(matches), fault, Some(times));
        }
    }

    /// Calls that match fail with `fault` until the guard is dropped.
    pub fn fail_while_held(
        &self,
        fault: Fault,
        matches: impl Fn(&CallHead) -> bool + Send + Sync + 'static,
    ) -> FaultGuard {
        let number = lock(&self.shared.faults).add(Box::new(matches), fault, None);
        FaultGuard {
            faults: Arc::clone(&self.shared.faults),
            number,
        }
    }

    fn endpoint(&self, part: Part) -> &Endpoint {
        match part {
            Part::Admin => &self.admin,
            Part::Gateway => &self.gateway,
            Part::GatewayTls => &self.gateway_tls,
            Part::Control => &self.control,
        }
    }

    /// Closes a socket and its connections: from then on connections are refused.
    pub async fn take_down(&self, part: Part) {
        self.endpoint(part).take_down().await;
    }

    /// Opens a socket again on its old port; does nothing if it is open.
    ///
    /// # Errors
    /// If someone else took the port.
    pub async fn bring_up(&self, part: Part) -> anyhow::Result<()> {
        self.endpoint(part).bring_up().await
    }

    /// Restarts in place and keeps all objects: connections break, ports and calls stay. What
    /// health checks have found is forgotten.
    ///
    /// # Errors
    /// If someone else took a port meanwhile.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.restarted(|| self.shared.state().restart()).await
    }

    /// Restarts in place with all objects gone.
    ///
    /// # Errors
    /// If someone else took a port meanwhile.
    pub async fn lose_memory(&self) -> anyhow::Result<()> {
        self.restarted(|| self.shared.state().clear()).await
    }

    async fn restarted(&self, meanwhile: impl FnOnce()) -> anyhow::Result<()> {
        for part in Part::ALL {
            self.take_down(part).await;
        }
        meanwhile();
        for part in Part::ALL {
            self.bring_up(part).await?;
        }
        self.shared.changed();
        Ok(())
    }

    /// Ends everything and waits for it.
    pub async fn shutdown(self) {
        for part in Part::ALL {
            self.take_down(part).await;
        }
    }
}

/// An address to connect to: a socket bound to all addresses is reached over loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests;
