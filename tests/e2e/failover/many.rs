//! However many services a cluster has, one write moves them.

use anyhow::{Context, Result, ensure};
use hubline::model::{ClusterId, ResourceKind};
use hubline_agent::echo::{Limits, serve};
use hubline_sandbox::apisix::{Call, Kind, StandIn};
use hubline_sandbox::failover::Room;
use hubline_sandbox::scripted::{App, Belongings, Scripted, cluster_info, group};
use hubline_sandbox::system::PATIENCE;
use libtest_mimic::Trial;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::figures::Cut;
use super::world::{RUN_IN, World, rate, seconds, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "failover::two_thousand_services_one_write",
        two_thousand_services_one_write,
    )]
}

const SERVICES: usize = 2_000;

/// Routes with two backends each: a diversion does not move them.
const SPLITS: usize = 2;

fn apps(room: u8) -> Vec<App> {
    let app = |at: usize| {
        let host = format!("app{at}.example.com");
        App::new(&format!("app{at}"), &host, &format!("10.90.{room}.{}", at % 50 + 1))
    };
    (0..SERVICES).map(app).collect()
}

/// All services, each with a route; some routes with two backends besides.
fn belongings(room: &Room) -> Result<(Belongings, Vec<String>)> {
    let groups = [
        group(ResourceKind::Route, "networking.k8s.io", "Ingress"),
        group(ResourceKind::Service, "", "Service"),
        group(ResourceKind::EndpointSet, "", "Service"),
        group(ResourceKind::ClusterInfo, "", "Cluster"),
    ];
    let apps = apps(1);
    let mut all = Belongings::of(&groups);
    for app in &apps {
        all = all.with(app.resources()?);
    }
    let mut hosts: Vec<_> = apps.iter().step_by(SERVICES / 20).map(|app| app.host.clone()).collect();
    for at in 0..SPLITS {
        let host = format!("split{at}.example.com");
        let route = App::new(&format!("split{at}"), &host, "unused").route_to(&[&apps[0], &apps[1]])?;
        all = all.with([route]);
        hosts.push(host);
    }
    let echo = room.echo().advertise.context("an echo that is reached")?;
    Ok((all.with([cluster_info(room.name(), echo)]), hosts))
}

/// Its agent's echo port, and what it publishes.
async fn speak(world: &World, all: &Belongings) -> Result<Scripted> {
    let room = &world.rooms[0];
    let listener = TcpListener::bind(room.echo().listen).await?;
    let name = ClusterId::new(room.name())?;
    tokio::spawn(serve(listener, name, Limits::default(), CancellationToken::new()));
    let mut agent = world.system.script(room.name()).await?;
    let scope = all.open(room.name(), &mut agent).await?.scope;
    all.send(&scope, &mut agent).await?;
    Ok(agent)
}

fn kinds(writes: &[Call]) -> Vec<&str> {
    let mut kinds: Vec<_> = writes.iter().filter_map(|call| call.path.split('/').nth(3)).collect();
    kinds.sort_unstable();
    kinds
}

async fn two_thousand_services_one_write() -> Result<()> {
    let a = Room::open("a", 1, 50).await?;
    let (all, hosts) = belongings(&a)?;
    let clusters = vec![with_gateway(&a, &json!({}))?];
    let mut world = World::prepared(vec![a], clusters).await?;
    world.system.start_hub()?;
    let _agent = speak(&world, &all).await?;
    let routes = |it: &StandIn| it.count(Kind::Route) >= SERVICES + SPLITS;
    let apisix = &world.system.apisix;
    apisix.wait_until("all routes", PATIENCE * 4, routes).await?;
    world.settled(&hosts).await?;
    let load = world.load(&hosts, rate())?;
    load.until_answered(seconds(RUN_IN)).await?;
    world.system.apisix.clear_calls();

    let cut = Cut::now();
    world.rooms[0].private.cut_black_hole().await?;
    let whole = |it: &StandIn| it.writes().len() > SPLITS;
    let apisix = &world.system.apisix;
    apisix.wait_until("rule and routes", PATIENCE, whole).await?;
    let moved = Instant::now();
    load.until_sent(seconds(2)).await?;
    let requests = load.stop_since(cut.at).await?;
    let writes = world.system.apisix.writes();
    cut.record("black hole, 2,000 services, gateway", "a", &requests, &writes);
    requests.after(moved).ensure_good("after the switch")?;
    let mut wanted = vec!["global_rules"];
    wanted.extend(["routes"; SPLITS]);
    ensure!(kinds(&writes) == wanted, "written: {:?}", kinds(&writes));
    Ok(())
}
