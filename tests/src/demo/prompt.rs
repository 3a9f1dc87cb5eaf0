//! The demo as something to play with: says what to try, and takes commands.

use std::io::Write;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, BufReader};

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
    for what in ["clusters", "routes", "services", "desired -o json", "problems"] {
        writeln!(out, "  cargo run -q -p hubline -- {what} {hub}")?;
    }
    writeln!(out, "\nchange a manifest and see it arrive (another host, say):")?;
    for (cluster, ..) in APPS {
        writeln!(out, "  ${{EDITOR:-vi}} {}", demo.pods.manifest(cluster).display())?;
    }
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
        _ => Err(anyhow::anyhow!(
            "{line:?} is no command; there are kill, start, pods, restart hub, help, quit"
        )),
    };
    if let Err(error) = done {
        writeln!(out, "{error:#}")?;
    }
    Ok(true)
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
