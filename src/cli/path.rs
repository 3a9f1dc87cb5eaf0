//! Orders about paths: what is asked of the hub, and what is said when it is done.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{self, Request};
use super::show::{self, moment, text};
use super::table::{Style, clean};
use super::{CliError, HubArguments, Output};

const EXAMPLES: &str = "\
Examples:
  hubline path pin room-a line --for 30m --why 'maintenance of the public network'
  hubline path drain room-a line --for 2h --why 'provider works on the line'
  hubline path drain room-a --for 1h --why 'moving racks'
  hubline path freeze room-a --for 15m --why 'looking at it'
  hubline path orders
  hubline path release 1763917200

An order acts until its time is over or it is released, over restarts of the hub too; at most 7 days.
What would take the last usable path or cluster, or pin a path that is down, is refused without --force.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Command {
    /// Stay on one path, whatever happens to it
    Pin(Pin),
    /// Do not use a path, or a whole cluster, unless there is nothing else
    Drain(Drain),
    /// No switch by the hub itself
    Freeze(Freeze),
    /// End an order before its time
    Release(Release),
    /// The orders in force
    Orders(HubArguments),
}

#[derive(Debug, Args)]
pub(super) struct Pin {
    /// Of this cluster
    cluster: String,
    /// The path to stay on
    path: String,
    #[command(flatten)]
    order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct Drain {
    /// Of this cluster
    cluster: String,
    /// The path not to use; without one, the whole cluster
    path: Option<String>,
    #[command(flatten)]
    order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct Freeze {
    /// This cluster
    cluster: String,
    #[command(flatten)]
    order: OrderArguments,
}

#[derive(Debug, Args)]
pub(super) struct Release {
    /// The order, as `hubline path orders` shows it
    id: u64,
    #[command(flatten)]
    hub: HubArguments,
}

/// What every order has.
#[derive(Debug, Args)]
pub(super) struct OrderArguments {
    /// For how long, as 30m or 2h; at most 168h
    #[arg(long = "for", value_name = "TIME")]
    lasts: String,
    /// The reason, for those who will wonder
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Even if it takes the last usable path or cluster, or pins a path that is down
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    hub: HubArguments,
}

pub(super) async fn run(command: Command, style: Style, out: &mut impl Write) -> Result<(), CliError> {
    let (request, hub, done) = match command {
        Command::Orders(hub) => {
            let query = show::orders();
            let answer = client::get(&hub.hub, &query).await?;
            return show::print(&query, &answer, hub.output, style, out).map_err(CliError::Output);
        }
        Command::Release(Release { id, hub }) => (Request::delete(format!("/v1/orders/{id}")), hub, "released"),
        Command::Pin(Pin { cluster, path, order }) => {
            let what = json!({"kind": "pin", "cluster": cluster, "path": path});
            (order.request(&what), order.hub, "in force")
        }
        Command::Drain(Drain { cluster, path, order }) => {
            let what = json!({"kind": "drain", "cluster": cluster, "path": path});
            (order.request(&what), order.hub, "in force")
        }
        Command::Freeze(Freeze { cluster, order }) => {
            let what = json!({"kind": "freeze", "cluster": cluster});
            (order.request(&what), order.hub, "in force")
        }
    };
    let answer = client::ask(&hub.hub, &request).await?;
    say(&answer, hub.output, done, out).map_err(CliError::Output)
}

impl OrderArguments {
    fn request(&self, order: &Value) -> Request {
        Request {
            method: Method::POST,
            body: Some(json!({"order": order, "why": self.why, "lasts": self.lasts, "force": self.force})),
            ..Request::get("/v1/orders")
        }
    }
}

fn say(order: &Value, output: Output, done: &str, out: &mut impl Write) -> io::Result<()> {
    if output == Output::Json {
        return writeln!(out, "{order:#}");
    }
    writeln!(out, "order {} is {done}: {}", text(&order["id"]), described(order))
}

/// `pin room-a/line until 2026-01-01T00:00:00Z, by uid 0: maintenance`
pub(super) fn described(order: &Value) -> String {
    let (cluster, path) = (text(&order["cluster"]), text(&order["path"]));
    let place = if path.is_empty() {
        cluster
    } else {
        format!("{cluster}/{path}")
    };
    clean(&format!(
        "{} {place} until {}, by {}: {}",
        text(&order["kind"]),
        moment(&order["until"]),
        text(&order["who"]),
        text(&order["why"])
    ))
}
