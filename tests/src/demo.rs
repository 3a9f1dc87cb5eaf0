//! `cargo demo`: two clusters (directories of manifests) with two lines to each, their agents, a hub, an APISIX and
//! pods that answer.
//!
//! The same parts serve as a check (`--once`) and as something to play with.

mod check;
mod gateway;
mod pods;
mod prompt;
mod site;

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use hubline::model::SecretText;

use crate::apisix::{KeepCalls, StandIn, StandInOptions};
use crate::system::{Source, System, Target};
use pods::Pods;

/// Two clusters, their agents, a hub and an APISIX, on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "cargo demo",
    after_help = "Examples:
  cargo demo
  cargo demo --once
  cargo demo --apisix-admin http://127.0.0.1:9180 --key KEY --gateway http://127.0.0.1:9080"
)]
pub struct Options {
    /// Check that it all works, and end with 0 or 1.
    #[arg(long)]
    once: bool,
    /// Drive a real APISIX instead of the stand-in: base URL of its Admin API.
    #[arg(long, value_name = "URL", requires = "key")]
    apisix_admin: Option<String>,
    /// Its admin key.
    #[arg(long, env = "APISIX_ADMIN_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Base URL of its gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9080")]
    gateway: String,
    /// Address of this machine by which the real APISIX reaches the demo's pods.
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST)]
    pod_address: Ipv4Addr,
}

/// Cluster, host, and how many pods. Both have a service `shop/web`: the same namespace and name.
const APPS: [(&str, &str, usize); 2] = [("east", "east.example.com", 2), ("west", "west.example.com", 2)];

/// The demo, running.
#[derive(Debug)]
struct Demo {
    system: System,
    pods: Pods,
    gateway: String,
    stand_in: bool,
}

/// Runs the demo until the person leaves it, or once as a check.
///
/// # Errors
/// What did not start or did not work.
pub async fn run(options: Options) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "starting APISIX, hub, two agents, four pods and two gateways ...")?;
    let mut demo = Demo::start(&options).await?;
    if options.once {
        check::run(&mut demo, &mut out).await
    } else {
        demo.wait_until_served().await?;
        prompt::run(&mut demo, &mut out).await
    }
}

impl Demo {
    async fn start(options: &Options) -> Result<Self> {
        let apisix = stand_in(options.once).await?;
        let stand_in = options.apisix_admin.is_none();
        let target = match (&options.apisix_admin, &options.key) {
            (Some(admin), Some(key)) => Target {
                admin: admin.clone(),
                key: SecretText::new(key.clone()),
                gateway: options.gateway.clone(),
            },
            _ => Target {
                admin: apisix.admin_url(),
                key: SecretText::new(apisix.admin_key().to_owned()),
                gateway: format!("http://{}", apisix.gateway_addr()),
            },
        };
        let gateway = target.gateway.clone();
        let names: Vec<_> = APPS.iter().map(|(cluster, ..)| *cluster).collect();
        let mut system = System::start_with(&names, apisix, target).await?;
        let folder = system.folder().join("clusters");
        let pods = Pods::start(&folder, options.pod_address).await?;
        configure(&mut system, &pods, stand_in).await?;
        for (cluster, ..) in APPS {
            let echo = pods.site(cluster)?.echo;
            system.start_agent_with_echo(cluster, Source::Manifests(&folder.join(cluster)), echo)?;
        }
        Ok(Self {
            system,
            pods,
            gateway,
            stand_in,
        })
    }

    async fn wait_until_served(&self) -> Result<()> {
        for (cluster, host, _) in APPS {
            let served = self.system.until_answer(host, "/", |answer| answer.status == 200).await;
            served.with_context(|| format!("cluster {cluster} is not served"))?;
        }
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.system.folder().join("hub.sock")
    }

    /// What `hubline paths` shows.
    async fn paths(&self) -> Result<String> {
        let hub = format!("unix:{}", self.socket().display());
        let arguments = ["hubline", "paths", "--hub", &hub].map(OsString::from);
        Ok(hubline::cli::output_of(arguments.into_iter()).await?)
    }
}

/// Tells the hub of the paths, which are known once the pods are there.
async fn configure(system: &mut System, pods: &Pods, stand_in: bool) -> Result<()> {
    let sites = APPS.iter().map(|(cluster, ..)| pods.site(cluster)?.config());
    let clusters = sites.collect::<Result<_>>()?;
    let instance = system.apisix.gateway_addr().to_string();
    let config = system.config();
    config.clusters = clusters;
    if stand_in {
        config.target.gateways = vec![instance.parse()?];
    }
    system.stop_hub().await?;
    system.start_hub()
}

/// On APISIX's usual ports where they are free and somebody may want to type them.
async fn stand_in(once: bool) -> Result<StandIn> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let keep_calls = if once { KeepCalls::All } else { KeepCalls::Last(1_000) };
    let usual = StandInOptions {
        admin: at(9180),
        gateway: at(9080),
        gateway_tls: at(9443),
        keep_calls,
        ..StandInOptions::default()
    };
    if !once && let Ok(started) = StandIn::start(usual).await {
        return Ok(started);
    }
    StandIn::start(StandInOptions {
        keep_calls,
        ..StandInOptions::default()
    })
    .await
}
