//! What values must be and must mean together.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use http::Uri;
use hubline::model::ClusterId;

use super::{ClusterConfig, HubConfig, HubConfigError, Tuning};
use crate::path::allow::literal;

/// What is wrong: one sentence each, naming the field and what is allowed; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(Vec<String>);

impl Invalid {
    /// One fault.
    #[must_use]
    pub fn one(fault: impl Into<String>) -> Self {
        Self(vec![fault.into()])
    }

    /// All faults.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Invalid {}

impl HubConfig {
    /// Checks the whole without reading any file.
    ///
    /// # Errors
    /// [`HubConfigError::Invalid`] with every fault, or [`HubConfigError::Logging`].
    pub fn validate(&self) -> Result<(), HubConfigError> {
        self.logging.check()?;
        let mut faults = Vec::new();
        faults.extend(label("hub", &self.hub));
        faults.extend(label("target.name", &self.target.name));
        faults.extend(id_prefix(&self.id_prefix));
        self.clusters(&mut faults);
        self.status.validate("status", &mut faults);
        self.admin(&mut faults);
        self.failover.validate("failover", &mut faults);
        tuning(&self.tuning, &mut faults);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Invalid(faults).into())
        }
    }

    fn clusters(&self, faults: &mut Vec<String>) {
        let mut names = BTreeSet::new();
        for (at, cluster) in self.clusters.iter().enumerate() {
            if !names.insert(&cluster.name) {
                faults.push(format!("clusters.{at}.name: {} is listed twice", cluster.name));
            }
            cluster_faults(at, cluster, faults);
        }
    }

    fn admin(&self, faults: &mut Vec<String>) {
        let admin = &self.target.admin;
        if admin.addresses.is_empty() {
            faults.push(
                "target.admin.addresses is empty; at least one is needed, as \"http://10.0.0.5:9180\"".to_owned(),
            );
        }
        for (at, address) in admin.addresses.iter().enumerate() {
            if !is_base_url(address) {
                faults.push(format!(
                    "target.admin.addresses.{at} is no base URL; allowed: http or https, host and port, without user, path and query, as \"http://10.0.0.5:9180\""
                ));
            }
        }
        for (at, address) in self.target.control.iter().enumerate() {
            if !is_base_url(address) {
                faults.push(format!(
                    "target.control.{at} is no base URL; allowed: http or https, host and port, without user, path and query, as \"http://10.0.0.5:9090\""
                ));
            }
        }
        if admin.key.is_some() == admin.key_file.is_some() {
            faults.push("target.admin: exactly one of keyFile and key is needed".to_owned());
        }
    }
}

fn cluster_faults(at: usize, cluster: &ClusterConfig, faults: &mut Vec<String>) {
    if cluster.uid.as_ref().is_some_and(|uid| uid.trim().is_empty()) {
        faults.push(format!(
            "clusters.{at}.uid is empty; leave it out to pin the first that is seen"
        ));
    }
    cluster.failover.validate(&format!("clusters.{at}.failover"), faults);
    cluster.requests.validate(&format!("clusters.{at}.requests"), faults);
    if let Some(checks) = &cluster.checks {
        checks.validate(&format!("clusters.{at}.checks"), faults);
    }
    let mut names = BTreeSet::new();
    for (path_at, path) in cluster.paths.iter().enumerate() {
        if !names.insert(&path.name) {
            faults.push(format!(
                "clusters.{at}.paths.{path_at}.name: {:?} is listed twice",
                path.name
            ));
        }
        let field = format!("clusters.{at}.paths.{path_at}");
        faults.extend(label(&format!("{field}.name"), &path.name));
        path.validate(&field, faults);
        let gateway = path.gateway.iter().flat_map(|gateway| &gateway.addresses);
        // Names are the operator's own word; what they resolve to is APISIX's to know.
        let outside =
            gateway.filter(|address| literal(address.host()).is_some() && !cluster.allowed().host(address.host()));
        faults.extend(outside.map(|address| {
            format!(
                "{field}.gateway.addresses: {address} is outside of clusters.{at}.allow; loopback and link-local addresses must be named there"
            )
        }));
    }
}

/// The rule of cluster names, which are labels too.
fn label(field: &str, text: &str) -> Option<String> {
    let valid = ClusterId::new(text).is_ok();
    (!valid).then(|| {
        format!("{field}: {text:?} is no DNS-1123 label; allowed: 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit")
    })
}

/// 8: so that an id stays below the 64 characters that APISIX allows.
fn id_prefix(text: &str) -> Option<String> {
    let letters = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let valid = (1..=8).contains(&text.len()) && letters;
    (!valid).then(|| format!("idPrefix: {text:?} is not allowed; allowed: 1 to 8 of a-z and 0-9"))
}

/// The address is not shown in errors: it may carry a password.
fn is_base_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else {
        return false;
    };
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain_host = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty());
    scheme && plain_host && matches!(uri.path(), "" | "/") && uri.query().is_none()
}

fn tuning(tuning: &Tuning, faults: &mut Vec<String>) {
    let counts = [
        ("batchSize", u64::from(tuning.batch_size)),
        ("connections", u64::from(tuning.connections)),
        ("maxResources", tuning.max_resources),
    ];
    for (field, count) in counts {
        if count == 0 {
            faults.push(format!("tuning.{field} is 0; allowed: 1 and more"));
        }
    }
    let shortest = Duration::from_millis(10);
    let intervals = [
        ("retryMin", tuning.retry_min),
        ("probeInterval", tuning.probe_interval),
        ("observeInterval", tuning.observe_interval),
    ];
    for (field, interval) in intervals {
        if interval < shortest {
            faults.push(format!("tuning.{field} is too short; allowed: 10ms and more"));
        }
    }
    if tuning.retry_max < tuning.retry_min {
        faults.push("tuning.retryMax is shorter than tuning.retryMin; allowed: as long or longer".to_owned());
    }
}
