//! One kube-apiserver with its etcd.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::assets;
use super::identity::{Files, User};
use super::process::Process;
use crate::ports::free_port;

/// About 5 seconds are usual; two cores shared by several servers and a compiler need more.
const READY: Duration = Duration::from_secs(120);

/// Between two questions whether a server is ready: nothing tells when.
const POLL: Duration = Duration::from_millis(100);

/// How often to start again on other ports when one was taken in the meantime.
const ATTEMPTS: usize = 3;

/// A kube-apiserver on 127.0.0.1, with an etcd of its own; both end with this value.
///
/// Clients are bound to the async runtime that makes them: a server shared between tests gives
/// each test its own by [`KubeServer::client`].
#[derive(Debug)]
pub struct KubeServer {
    name: String,
    binaries: PathBuf,
    port: u16,
    etcd_port: u16,
    files: Files,
    /// What [`KubeServer::deny`] took away.
    pub(super) denied: Mutex<BTreeSet<String>>,
    // Dropped in this order: the API server, its etcd, then their data.
    api: Option<Process>,
    _etcd: Process,
    _folder: TempDir,
}

impl KubeServer {
    /// Starts both and returns when the API server is ready. Builds the binaries if they are
    /// missing (minutes, once). `name` only shows in kubeconfigs and errors.
    ///
    /// # Errors
    /// With the end of the server's log when it does not get ready in two minutes.
    pub async fn start(name: &str) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(assets::folder).await??;
        let mut attempt = 1;
        loop {
            match Self::start_once(name, binaries.clone()).await {
                Err(error) if attempt < ATTEMPTS && lost_its_port(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_once(name: &str, binaries: PathBuf) -> Result<Self> {
        let folder = TempDir::with_prefix(format!("hubline-kube-{name}-"))?;
        let files = Files::write(folder.path())?;
        let etcd_port = free_port()?;
        let etcd = start_etcd(&binaries, &files, etcd_port)?;
        let mut server = Self {
            name: name.to_owned(),
            binaries,
            port: free_port()?,
            etcd_port,
            files,
            denied: Mutex::default(),
            api: None,
            _etcd: etcd,
            _folder: folder,
        };
        server.start_api().await?;
        Ok(server)
    }

    /// The name given at the start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port of the API server on 127.0.0.1; stays the same over [`KubeServer::restart`].
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the API server: connections are reset, new ones refused. etcd keeps the data.
    pub fn stop(&mut self) {
        self.api = None;
    }

    /// Kills the API server if it runs, starts it again on the same port with the same data, and
    /// returns when it is ready.
    ///
    /// # Errors
    /// As [`KubeServer::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        self.start_api().await
    }

    /// A new client of `user`, bound to the calling runtime.
    ///
    /// # Errors
    /// When the server's authority cannot be read.
    pub async fn client(&self, user: User) -> Result<Client> {
        let kubeconfig = Kubeconfig::from_yaml(&self.kubeconfig(user))?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        Ok(Client::try_from(config)?)
    }

    /// A client that may do everything.
    ///
    /// # Errors
    /// As [`KubeServer::client`].
    pub async fn admin_client(&self) -> Result<Client> {
        self.client(User::Admin).await
    }

    /// A client with the rights of `deploy/agent`, once its manifests are applied.
    ///
    /// # Errors
    /// As [`KubeServer::client`].
    pub async fn agent_client(&self) -> Result<Client> {
        self.client(User::Agent).await
    }

    /// A kubeconfig file (mode 0600) of `user`; removed with the server.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_for(&self, user: User) -> Result<PathBuf> {
        let path = self.files.folder.join(format!("{user:?}.kubeconfig").to_lowercase());
        fs::write(&path, self.kubeconfig(user))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// A kubeconfig file with the rights of `deploy/agent`.
    ///
    /// # Errors
    /// As [`KubeServer::kubeconfig_for`].
    pub fn agent_kubeconfig(&self) -> Result<PathBuf> {
        self.kubeconfig_for(User::Agent)
    }

    fn kubeconfig(&self, user: User) -> String {
        self.files.kubeconfig(&self.name, self.port, user)
    }

    async fn start_api(&mut self) -> Result<()> {
        let program = self.binaries.join("kube-apiserver");
        let log = self.files.folder.join("kube-apiserver.log");
        let mut api = Process::start(&program, self.api_arguments(), log)?;
        let client = self.admin_client().await?;
        wait_until_ready(&client, &mut api)
            .await
            .with_context(|| format!("kube-apiserver `{}` did not get ready", self.name))?;
        self.api = Some(api);
        Ok(())
    }

    fn api_arguments(&self) -> Vec<String> {
        let files = &self.files;
        vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            // Without it a host that has no default route is refused.
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", files.folder.display()),
            format!("--tls-cert-file={}", files.certificate().display()),
            format!("--tls-private-key-file={}", files.key().display()),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-signing-key-file={}", files.account_key().display()),
            format!("--service-account-key-file={}", files.account_public_key().display()),
            format!("--token-auth-file={}", files.tokens().display()),
            "--authorization-mode=RBAC".to_owned(),
            // There is no controller that would make the default service account.
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            // Would try in vain to publish 127.0.0.1 as the endpoint of service `kubernetes`.
            "--endpoint-reconciler-type=none".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--profiling=false".to_owned(),
            "--enable-priority-and-fairness=false".to_owned(),
        ]
    }
}

fn start_etcd(binaries: &std::path::Path, files: &Files, port: u16) -> Result<Process> {
    let client = format!("http://127.0.0.1:{port}");
    let peer = format!("http://127.0.0.1:{}", free_port()?);
    let arguments = vec![
        format!("--data-dir={}", files.folder.join("etcd").display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // The data is thrown away; a lost machine is nobody's concern here.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let log = files.folder.join("etcd.log");
    Process::start(&binaries.join("etcd"), arguments, log)
}

/// Ready by its own word, and with the namespaces that it makes shortly after.
async fn wait_until_ready(client: &Client, api: &mut Process) -> Result<()> {
    let deadline = Instant::now() + READY;
    loop {
        let refusal = match timeout(READY, is_ready(client)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if let Some(status) = api.ended()? {
            bail!("it ended with {status}:\n{}", api.log_tail());
        }
        if Instant::now() > deadline {
            bail!("no success in {READY:?} ({refusal}):\n{}", api.log_tail());
        }
        sleep(POLL).await;
    }
}

async fn is_ready(client: &Client) -> Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new())?;
    client.request_text(request).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for name in ["kube-system", "default"] {
        namespaces.get(name).await?;
    }
    Ok(())
}

fn lost_its_port(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("address already in use")
}
