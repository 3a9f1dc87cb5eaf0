//! A diversion that would do harm is not written; bursts do its work.

use anyhow::{Result, ensure};
use hubline_sandbox::apisix::{Call, Kind};
use hubline_sandbox::failover::{Apps, Room};
use libtest_mimic::Trial;
use serde_json::json;

use super::burst::each_once;
use super::world::{Clients, RUN_IN, World, seconds, with_gateway};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("failover::a_missing_path_upstream_diverts_nothing", || {
            bursts_instead(Obstacle::MissingUpstream)
        }),
        trial("failover::a_foreign_split_diverts_nothing", || {
            bursts_instead(Obstacle::ForeignSplit)
        }),
        trial("failover::a_foreign_split_that_was_there_first_diverts_nothing", || {
            bursts_instead(Obstacle::ForeignSplitBefore)
        }),
    ]
}

/// What keeps a diversion from acting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// Somebody removed the gateway's upstream, and nobody has noticed yet.
    MissingUpstream,
    /// Somebody wrote a rule while the hub ran.
    ForeignSplit,
    /// Somebody wrote a rule before the hub was started.
    ForeignSplitBefore,
}

const APPS: Apps<'_> = Apps {
    name: "app",
    count: 5,
    pods: 3,
};

impl Obstacle {
    fn word(self) -> &'static str {
        match self {
            Self::MissingUpstream => "not at the target",
            Self::ForeignSplit | Self::ForeignSplitBefore => "traffic-split",
        }
    }

    fn put(self, world: &World) -> Result<()> {
        let apisix = &world.system.apisix;
        if self == Self::MissingUpstream {
            let upstreams = apisix.objects(Kind::Upstream);
            let address = world.rooms[0].gateway_address().ip().to_string();
            let only = |nodes: &serde_json::Value| {
                nodes.as_array().is_some_and(|nodes| nodes.len() == 1) && nodes[0]["host"] == address
            };
            let paths = upstreams.iter().filter(|(_, upstream)| only(&upstream["nodes"]));
            let ids: Vec<_> = paths.map(|(id, _)| id).collect();
            ensure!(ids.len() == 1, "upstreams of a's gateway: {ids:?}");
            ensure!(ids.iter().all(|id| apisix.remove_straight(Kind::Upstream, id)));
        } else {
            let rules = json!([{
                "match": [{"vars": [["uri", "==", "/canary"]]}],
                "weighted_upstreams": [{"weight": 1}],
            }]);
            let rule = json!({"id": "theirs", "plugins": {"traffic-split": {"rules": rules}}});
            apisix.write_straight(Kind::GlobalRule, "theirs", rule);
        }
        Ok(())
    }
}

async fn bursts_instead(obstacle: Obstacle) -> Result<()> {
    let (a, b) = (Room::open("a", 1, 3).await?, Room::open("b", 2, 3).await?);
    let (hosts, others) = (a.declare(APPS)?, b.declare(APPS)?);
    let clusters = vec![with_gateway(&a, &json!({}))?, with_gateway(&b, &json!({}))?];
    let mut world = World::prepared(vec![a, b], clusters).await?;
    if obstacle == Obstacle::ForeignSplitBefore {
        obstacle.put(&world)?;
    }
    world.begin(&[hosts.clone(), others.clone()].concat()).await?;
    let clients = Clients::of(&world, &hosts, &others)?;
    clients.load.until_answered(seconds(RUN_IN)).await?;
    if obstacle != Obstacle::ForeignSplitBefore {
        obstacle.put(&world)?;
    }
    world.system.apisix.clear_calls();

    let what = format!("black hole, {obstacle:?}, burst");
    let writes = clients.until_moved_by_burst(&world, &what).await?;
    let rules: Vec<_> = writes
        .iter()
        .filter(|call| call.path.contains("/global_rules/"))
        .collect();
    ensure!(rules.is_empty(), "a rule was written: {rules:?}");
    // What was missing is put again.
    let repair = |call: &Call| call.path.contains("/upstreams/hl-paths-");
    let rest: Vec<_> = writes.iter().filter(|call| !repair(call)).cloned().collect();
    each_once(&rest, "a", APPS.count)?;
    said(&world, obstacle).await
}

/// The API says what carries the cluster, and why.
async fn said(world: &World, obstacle: Obstacle) -> Result<()> {
    let carrier = world.system.api("/v1/paths/a").await?["carrier"].clone();
    let why = carrier["why"].as_str().unwrap_or_default();
    ensure!(
        carrier["by"] == "burst" && why.contains(obstacle.word()),
        "the API does not say why: {carrier}"
    );
    Ok(())
}
