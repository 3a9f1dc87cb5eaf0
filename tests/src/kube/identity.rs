//! Who speaks to a test server: fixed tokens, and the certificates and keys it starts with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A caller with its rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// May do everything (group `system:masters`).
    Admin,
    /// Authenticates as the service account of `deploy/agent`, and so has exactly the rights that
    /// the manifests applied give it.
    Agent,
    /// Authenticated, without any rights.
    Stranger,
}

impl User {
    const ALL: [Self; 3] = [Self::Admin, Self::Agent, Self::Stranger];

    /// The user name as RBAC and the API server's audit see it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "system:serviceaccount:hubline:hubline-agent",
            Self::Stranger => "stranger",
        }
    }

    /// The groups its token carries.
    #[must_use]
    pub fn groups(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["system:masters"],
            // As the API server's own service account authenticator gives them.
            Self::Agent => &["system:serviceaccounts", "system:serviceaccounts:hubline"],
            Self::Stranger => &[],
        }
    }

    /// Not a secret: the servers listen on loopback and hold test data.
    fn token(self) -> &'static str {
        match self {
            Self::Admin => "token-of-admin",
            Self::Agent => "token-of-agent",
            Self::Stranger => "token-of-stranger",
        }
    }

    fn token_line(self) -> String {
        let groups = self.groups().join(",");
        format!("{},{},{},\"{groups}\"\n", self.token(), self.name(), self.name())
    }
}

/// The files a kube-apiserver starts with.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) folder: PathBuf,
}

impl Files {
    /// Writes them all into `folder`.
    pub(super) fn write(folder: &Path) -> Result<Self> {
        let files = Self {
            folder: folder.to_owned(),
        };
        let tokens: String = User::ALL.into_iter().map(User::token_line).collect();
        fs::write(files.tokens(), tokens)?;
        let accounts = KeyPair::generate()?;
        fs::write(files.account_key(), accounts.serialize_pem())?;
        fs::write(files.account_public_key(), accounts.public_key_pem())?;
        files.write_serving_certificate()?;
        Ok(files)
    }

    pub(super) fn tokens(&self) -> PathBuf {
        self.folder.join("tokens.csv")
    }

    pub(super) fn account_key(&self) -> PathBuf {
        self.folder.join("service-accounts.key")
    }

    pub(super) fn account_public_key(&self) -> PathBuf {
        self.folder.join("service-accounts.pub")
    }

    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Ours instead of the server's own self-signed one: that takes an RSA key, and a second.
    fn write_serving_certificate(&self) -> Result<()> {
        let authority_key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        fs::write(self.authority(), parameters.self_signed(&authority_key)?.pem())?;
        let issuer = Issuer::new(parameters, authority_key);
        let key = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        fs::write(self.certificate(), certificate.pem())?;
        Ok(fs::write(self.key(), key.serialize_pem())?)
    }

    /// A kubeconfig for `user`. Names its authority by path, so that it lives as long as the
    /// server's folder.
    pub(super) fn kubeconfig(&self, cluster: &str, port: u16, user: User) -> String {
        format!(
            r#"apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    server: https://127.0.0.1:{port}
    certificate-authority: {authority:?}
users:
- name: {name:?}
  user:
    token: {token}
contexts:
- name: {cluster}
  context:
    cluster: {cluster}
    user: {name:?}
current-context: {cluster}
"#,
            authority = self.authority(),
            name = user.name(),
            token = user.token(),
        )
    }
}
