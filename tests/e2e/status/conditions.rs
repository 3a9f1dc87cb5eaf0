//! Conditions of custom resources: a real API server with the real definition, the agent's own watch and writer, with
//! the rights of `deploy/agent`. What is made of the objects and what the hub says of it is played.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hubline::model::{Entry, Export, Key, Resource, ResourceKind};
use hubline::wire::{Epoch, ResourceStatus, Status};
use hubline_agent::conditions::{self, Ledger, Options, Sources};
use hubline_agent::lease::Leadership;
use hubline_agent::metrics::Metrics;
use hubline_agent::output::{Declared, Output, Standing};
use hubline_agent::publish::{Publisher, Reader};
use hubline_agent::source::crd::v2::ApisixRoute;
use hubline_agent::source::{self, Kind, ObjectId, SourceEvent};
use hubline_agent::status::StatusBoard;
use hubline_sandbox::kube::KubeServer;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::look::{self, until};
use crate::fixture::{Shop, server};
use crate::trial;

const NAMESPACE: &str = "conditions";

pub(super) fn trials() -> Vec<Trial> {
    vec![trial(
        "status::conditions_follow_the_verdict_and_survive_restarts",
        conditions_follow_the_verdict,
    )]
}

/// A replica of which stage and hub are played.
struct Replica {
    publisher: Publisher,
    board: StatusBoard,
    /// It ends with the election.
    _leadership: watch::Sender<Leadership>,
    _stop: DropGuard,
}

impl Replica {
    async fn start(server: &KubeServer) -> Result<Self> {
        let (ledger, stop) = (Ledger::default(), CancellationToken::new());
        let publisher = Publisher::new(Epoch::default());
        let board = StatusBoard::new("hub".to_owned(), Metrics::default());
        let (events, told) = mpsc::channel(200);
        let wanted = watch::channel(BTreeSet::new()).1;
        let reading = source::kube::run(server.agent_client().await?, wanted, events, stop.clone());
        tokio::spawn(reading);
        tokio::spawn(declare(told, ledger.clone()));
        let leader = Leadership {
            holder: true,
            transitions: 0,
        };
        let (leads, leadership) = watch::channel(leader);
        let sources = Sources {
            ledger,
            reader: publisher.reader(),
            board: board.clone(),
            leadership,
        };
        let options = Options {
            instance: "e2e".to_owned(),
            metrics: Metrics::default(),
        };
        tokio::spawn(conditions::run(
            server.agent_client().await?,
            sources,
            options,
            stop.clone(),
        ));
        Ok(Self {
            publisher,
            board,
            _leadership: leads,
            _stop: stop.drop_guard(),
        })
    }

    fn publish(&mut self, name: &str, weight: u32) {
        let resource = Resource::Export(Export { weight: Some(weight) });
        self.publisher.apply(Output {
            upserts: vec![Entry {
                key: key(name),
                resource,
            }],
            ..Output::default()
        });
    }

    fn say(&self, name: &str, condition: &str, message: &str) -> Result<()> {
        let reader: Reader = self.publisher.reader();
        let status = ResourceStatus {
            content_hash: reader.hash(&key(name)).context("published")?,
            key: key(name),
            condition: condition.to_owned(),
            reason: condition.to_owned(),
            message: message.to_owned(),
            gone: false,
        };
        let status = Status {
            replay_begin: false,
            replay_end: false,
            statuses: vec![status],
        };
        self.board.apply(status, &reader);
        Ok(())
    }
}

fn key(name: &str) -> Key {
    Key::new(
        ResourceKind::Export,
        &Kind::ApisixRoute.group_kind(),
        NAMESPACE,
        name,
        "",
    )
}

/// As the stage does, if one resource were made of each ApisixRoute.
async fn declare(mut told: mpsc::Receiver<SourceEvent>, ledger: Ledger) {
    while let Some(event) = told.recv().await {
        match event {
            SourceEvent::Reported(id, reported) => ledger.report(&id, Some(*reported)),
            SourceEvent::Listed(object) | SourceEvent::Apply(object) => ledger.declare(of(object.id())),
            SourceEvent::Delete(id) => ledger.report(&id, None),
            _ => {}
        }
    }
}

fn of(id: ObjectId) -> Vec<(ObjectId, Option<Arc<Declared>>)> {
    if id.kind != Kind::ApisixRoute {
        return Vec::new();
    }
    let (standing, keys) = (Standing::Ours, [key(&id.name.name)].into());
    vec![(
        id,
        Some(Arc::new(Declared {
            standing,
            keys,
            whole: true,
            ..Declared::default()
        })),
    )]
}

struct Routes(Api<DynamicObject>);

impl Routes {
    async fn put(&self, name: &str, path: &str) -> Result<()> {
        let route = json!({"apiVersion": "apisix.apache.org/v2", "kind": "ApisixRoute", "metadata": {"name": name},
            "spec": {"http": [{"name": "all", "match": {"paths": [path]},
                "backends": [{"serviceName": "web", "servicePort": 80}]}]}});
        let params = PatchParams::apply("e2e").force();
        self.0.patch(name, &params, &Patch::Apply(&route)).await?;
        Ok(())
    }

    async fn get(&self, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(self.0.get(name).await?)?)
    }

    /// Waits until a condition says this.
    async fn until(&self, name: &str, kind: &str, status: &str, reason: &str) -> Result<Value> {
        until(&format!("{kind}={status} {reason} of {name}"), async || {
            let object = self.get(name).await?;
            let shown = look::conditions(&object)?;
            let wanted = (status.to_owned(), reason.to_owned());
            Ok(if shown.get(kind) == Some(&wanted) {
                Ok(object)
            } else {
                Err(format!("{shown:?}"))
            })
        })
        .await
    }
}

async fn routes(client: &Client) -> Result<Routes> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = ApisixRoute::crd();
    let params = PatchParams::apply("e2e").force();
    definitions
        .patch(&definition.name_any(), &params, &Patch::Apply(&definition))
        .await?;
    let resource = ApiResource::erase::<ApisixRoute>(&());
    let api = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    until("the definition is served", async || {
        Ok(api
            .list(&kube::api::ListParams::default())
            .await
            .map(drop)
            .map_err(|error| error.to_string()))
    })
    .await?;
    Ok(Routes(api))
}

fn field<'a>(object: &'a Value, kind: &str, field: &str) -> &'a Value {
    let list = object["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = list.iter().find(|condition| condition["type"] == kind);
    found.map_or(&Value::Null, |condition| &condition[field])
}

async fn conditions_follow_the_verdict() -> Result<()> {
    let a = server("a").await?;
    let client = a.admin_client().await?;
    let shop = Shop::open(&a, NAMESPACE).await?;
    let routes = routes(&client).await?;
    routes.put("web", "/one").await?;
    let mut replica = Replica::start(&a).await?;
    replica.publish("web", 1);
    routes.until("web", "Accepted", "True", "Accepted").await?;
    // The target is away, and comes back.
    replica.say("web", "Pending", "")?;
    let pending = routes.until("web", "Programmed", "False", "Pending").await?;
    ensure!(*field(&pending, "Programmed", "observedGeneration") == 1, "{pending}");
    replica.say("web", "Programmed", "")?;
    let good = routes.until("web", "Programmed", "True", "Programmed").await?;
    let since = field(&good, "Accepted", "lastTransitionTime").clone();

    // Other content: the hub's older word is no verdict on it, and the condition says of which generation it speaks.
    replica.publish("web", 2);
    routes.put("web", "/two").await?;
    let changed = until("generation 2 is accepted", async || {
        let object = routes.get("web").await?;
        let seen = *field(&object, "Accepted", "observedGeneration") == 2;
        Ok(if seen { Ok(object) } else { Err(object.to_string()) })
    })
    .await?;
    ensure!(
        *field(&changed, "Accepted", "lastTransitionTime") == since,
        "it did not flip: {changed}"
    );
    ensure!(*field(&changed, "Programmed", "observedGeneration") == 1, "{changed}");
    let conflict = "example.com/two is claimed by ApisixRoute shop/web of cluster b; the older claim stays in force";
    replica.say("web", "Conflict", conflict)?;
    let conflicting = routes.until("web", "Programmed", "False", "Conflict").await?;
    let message = field(&conflicting, "Programmed", "message");
    ensure!(
        message.as_str().is_some_and(|it| it.contains("shop/web of cluster b")),
        "{message}"
    );
    replica.say("web", "Quarantined", "plugins.x is no plugin")?;
    routes.until("web", "Programmed", "False", "Quarantined").await?;
    replica.say("web", "Programmed", "")?;
    let before = routes.until("web", "Programmed", "True", "Programmed").await?;

    drop(replica);
    let mut next = Replica::start(&a).await?;
    next.publish("web", 2);
    // A sentinel: when it is written, the other was looked at, before the hub has said anything and after.
    next.publish("late", 1);
    routes.put("late", "/late").await?;
    routes.until("late", "Accepted", "True", "Accepted").await?;
    next.say("web", "Programmed", "")?;
    next.say("late", "Programmed", "")?;
    routes.until("late", "Programmed", "True", "Programmed").await?;
    let after = routes.get("web").await?;
    ensure!(after == before, "a restart wrote: {before} became {after}");
    for name in ["web", "late"] {
        routes.0.delete(name, &kube::api::DeleteParams::default()).await?;
    }
    shop.close().await
}
