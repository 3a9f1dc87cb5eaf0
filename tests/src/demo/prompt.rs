//! The demo as something to play with: says what to try, and takes commands.

use std::io::Write;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::site::FAILBACK;
use super::{APPS, Demo};

/// Shows what to try, then takes commands until the person leaves.
pub(super) async fn run(demo: &mut Demo, out: &mut dyn Write) -> Result<()> {
    explain(demo, out)?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typed = true;
    loop {
        if typed {
            write!(out, "demo> ")?;
            out.flush()?;
        }
        tokio::select! {
            ended = tokio::signal::ctrl_c() => { ended?; return leave(demo, out) }
            line = lines.next_line(), if typed => match line? {
                Some(line) => if !command(demo, out, &line).await? { return leave(demo, out) },
                // No terminal, as under a service manager: go on until a signal.
                None => typed = false,
            },
        }
    }
}

fn leave(demo: &Demo, out: &mut dyn Write) -> Result<()> {
    if demo.stand_in {
        writeln!(out, "\nstopping; nothing is left behind")?;
    } else {
        writeln!(
            out,
            "\nstopping; its objects (ids that begin with hl-) stay at APISIX, as when any hub stops"
        )?;
    }
    Ok(())
}

fn explain(demo: &Demo, out: &mut dyn Write) -> Result<()> {
    let hub = format!("--hub unix:{}", demo.socket().display());
    writeln!(
        out,
        "\nTwo clusters, both with an Ingress shop/web, behind one APISIX. Try, from another terminal:\n"
    )?;
    writeln!(out, "a request through the gateway:")?;
    for (_, host, _) in APPS {
        writeln!(out, "  curl -H 'Host: {host}' {}/", demo.gateway)?;
    }
    writeln!(out, "\nwhat the hub knows, and what it wants at APISIX:")?;
    for what in [
        "clusters",
        "routes",
        "services",
        "desired -o json",
        "problems",
        "paths",
        "events --follow",
    ] {
        writeln!(out, "  cargo run -q -p hubline -- {what} {hub}")?;
    }
    writeln!(out, "\nchange a manifest and see it arrive (another host, say):")?;
    for (cluster, ..) in APPS {
        writeln!(out, "  ${{EDITOR:-vi}} {}", demo.pods.manifest(cluster).display())?;
    }
    explain_paths(out)?;
    writeln!(
        out,
        "\nhere: `kill POD` and `start POD` (`pods` lists them), `restart hub`, `help`, `quit`\n"
    )?;
    if demo.stand_in {
        writeln!(
            out,
            "(APISIX is a stand-in with its Admin API at {})\n",
            demo.system.apisix.admin_url()
        )?;
    }
    Ok(())
}

fn explain_paths(out: &mut dyn Write) -> Result<()> {
    writeln!(
        out,
        "\nEach cluster is reached over a private line, straight to its pods, and over the public network, by a gateway
of its own. Break its line and see traffic move (a second or so) and come back ({FAILBACK} after the line is well; the
product's default is 5 minutes):
  cut CLUSTER      nothing comes through, nothing is refused (a black hole)
  refuse CLUSTER   connections are refused
  slow CLUSTER     100 ms longer each way
  lose CLUSTER     40% is lost
  restore CLUSTER  all is well again
  paths            what the hub thinks of them"
    )?;
    Ok(())
}

/// Does what a line says; false ends the demo.
async fn command(demo: &mut Demo, out: &mut dyn Write, line: &str) -> Result<bool> {
    let words: Vec<_> = line.split_whitespace().collect();
    let done = match words.as_slice() {
        [] => Ok(()),
        ["quit" | "exit"] => return Ok(false),
        ["help"] => explain(demo, out),
        ["pods"] => list(demo, out),
        ["kill", pod] => demo.pods.kill(pod).await,
        ["start", pod] => demo.pods.revive(pod).await,
        ["restart", "hub"] => restart(demo).await,
        ["paths"] => paths(demo, out).await,
        [how @ ("cut" | "refuse" | "slow" | "lose" | "restore"), cluster] => treat(demo, out, how, cluster).await,
        _ => Err(anyhow::anyhow!(
            "{line:?} is no command; there are cut, refuse, slow, lose and restore CLUSTER, paths, kill and start POD, \
             pods, restart hub, help, quit"
        )),
    };
    if let Err(error) = done {
        writeln!(out, "{error:#}")?;
    }
    Ok(true)
}

async fn paths(demo: &Demo, out: &mut dyn Write) -> Result<()> {
    Ok(write!(out, "{}", demo.paths().await?)?)
}

async fn treat(demo: &Demo, out: &mut dyn Write, how: &str, cluster: &str) -> Result<()> {
    let means = demo.pods.site(cluster)?.treat(how).await?;
    Ok(writeln!(out, "{cluster}: {means}")?)
}

fn list(demo: &Demo, out: &mut dyn Write) -> Result<()> {
    for name in demo.pods.names() {
        writeln!(out, "{name}")?;
    }
    Ok(())
}

async fn restart(demo: &mut Demo) -> Result<()> {
    demo.system.stop_hub().await?;
    demo.system.start_hub()
}
