//! What is not plain HTTP goes the other way, too.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hubline_sandbox::echo::{name_by_grpc, say_by_websocket};
use hubline_sandbox::failover::{Apps, Room};
use hubline_sandbox::system::PATIENCE;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tonic::transport::Endpoint;

use super::world::{RUN_IN, World, cluster, rate, seconds};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "failover::grpc_and_websockets_survive_a_diversion",
            grpc_and_websockets_survive_a_diversion,
        ),
        trial(
            "failover::grpc_stays_where_the_gateway_takes_none",
            grpc_stays_where_the_gateway_takes_none,
        ),
    ]
}

const WEB: Apps<'_> = Apps {
    name: "web",
    count: 1,
    pods: 2,
};

/// One cluster with a route of each protocol.
struct Scene {
    world: World,
    rpc: String,
    socket: String,
}

impl Scene {
    /// All is served over the private line; the gateway is known to be there.
    async fn open(a: Room, gateway: Value) -> Result<Self> {
        let hosts = a.declare(WEB)?;
        let rpc = a.declare_speaking("grpc", "rpc", 2)?;
        let socket = a.declare_speaking("kubernetes.io/ws", "socket", 2)?;
        let clusters = vec![cluster(&a, &[a.private_path(), gateway], &json!({}))?];
        let world = World::start(vec![a], clusters, &hosts).await?;
        let scene = Self { world, rpc, socket };
        until(async || scene.by_grpc().await, "a").await?;
        until(async || scene.by_websocket().await, "a").await?;
        let load = scene.world.load(&hosts, rate())?;
        load.until_answered(seconds(RUN_IN)).await?;
        load.stop().await?.ensure_good("before the cut")?;
        Ok(scene)
    }

    async fn cut(&self) -> Result<()> {
        self.world.rooms[0].private.cut_black_hole().await?;
        self.world.until_diverted().await
    }

    /// Who answers a gRPC call with status 0.
    async fn by_grpc(&self) -> Result<String> {
        let gateway = self.world.system.apisix.gateway_addr();
        let origin = format!("http://{}", self.rpc).parse()?;
        let endpoint = Endpoint::from_shared(format!("http://{gateway}"))?.origin(origin);
        let channel = endpoint.timeout(PATIENCE).connect().await?;
        Ok(name_by_grpc(channel).await?)
    }

    /// Who answers over a websocket.
    async fn by_websocket(&self) -> Result<String> {
        let stream = TcpStream::connect(self.world.system.apisix.gateway_addr()).await?;
        let said = timeout(PATIENCE, say_by_websocket(stream, &self.socket, "hello")).await??;
        let name = said.strip_suffix(": hello").context("no echo")?;
        Ok(name.to_owned())
    }
}

/// Waits until this backend answers.
async fn until<F: Future<Output = Result<String>>>(ask: impl Fn() -> F, backend: &str) -> Result<()> {
    let answered = async {
        while ask().await.ok().as_deref() != Some(backend) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, answered)
        .await
        .with_context(|| format!("{backend} does not answer"))
}

async fn grpc_and_websockets_survive_a_diversion() -> Result<()> {
    let a = Room::open("a", 1, 2).await?;
    let gateway = a.grpc_gateway_path();
    let scene = Scene::open(a, gateway).await?;
    scene.cut().await?;
    let name = scene.world.rooms[0].gateway_name();
    let (rpc, socket) = (scene.by_grpc().await?, scene.by_websocket().await?);
    ensure!(rpc == name, "gRPC was answered by {rpc}");
    ensure!(socket == name, "the websocket was answered by {socket}");
    Ok(())
}

/// Over its http upstream a call would be answered with a 200 that is no gRPC answer. So it stays: APISIX cannot reach its
/// pods, and says so; all else is diverted.
async fn grpc_stays_where_the_gateway_takes_none() -> Result<()> {
    let a = Room::open("a", 1, 2).await?;
    let gateway = a.gateway_path();
    let scene = Scene::open(a, gateway).await?;
    scene.cut().await?;
    let socket = scene.by_websocket().await?;
    ensure!(socket == scene.world.rooms[0].gateway_name(), "answered by {socket}");
    let rpc = scene.by_grpc().await.map_err(|error| format!("{error:#}"));
    let unreached = |why: &String| why.contains("502") || why.contains("504");
    ensure!(rpc.as_ref().is_err_and(unreached), "a call ended with {rpc:?}");
    scene.world.rooms[0].private.restore().await?;
    until(async || scene.by_grpc().await, "a").await
}
