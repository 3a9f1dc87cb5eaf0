//! What APISIX should have, by what is true: now, and at every moment of the run so far.
//!
//! It uses the pure stages (translate, federate, plan) and none of what moves data between them: streams, cluster states,
//! disk, schedule. What is wrong in the pure stages is found by their own properties, not here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hubline::model::{ClusterId, Key};
use hubline::wire::{ContentHash, EncodedResource};
use hubline_agent::output::Output;
use hubline_agent::source::object::IngressBackend;
use hubline_agent::source::{Coverage, Kind, Object, ObjectId, SourceEvent};
use hubline_agent::translate::{TranslateOptions, Translator};
use hubline_hub::change::{Change as Effective, Stored};
use hubline_hub::cluster::check;
use hubline_hub::federate::Federation;
use hubline_hub::object::{Cause, Object as Planned, ObjectId as PlannedId, ObjectKind};
use hubline_hub::plan::dry_run::dry_run;
use hubline_hub::plan::{PlanOptions, Planner};
use hubline_hub::sink::Seen;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::truth::{Change, Plan};

/// The hub's name.
pub(crate) const HUB: &str = "main";

pub(crate) fn plan_options() -> PlanOptions {
    PlanOptions {
        hub: HUB.to_owned(),
        ..PlanOptions::default()
    }
}

/// An object as it was wanted for a while.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    since: Instant,
    /// None: not at all.
    content: Option<Content>,
}

#[derive(Debug, Clone, Copy)]
struct Content {
    hash: ContentHash,
    /// An upstream without nodes.
    empty: bool,
}

/// What may have become of an object since the target's content of it was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doubt {
    /// At some moment nobody wanted it.
    pub(crate) unwanted: bool,
    /// At some moment it was wanted without nodes, or not at all.
    pub(crate) emptied: bool,
    /// Another resource claimed the same at some moment of the whole run, so that it, or all that refer to it, may have
    /// lost their claims.
    pub(crate) contested: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Oracle {
    translators: BTreeMap<ClusterId, Translator>,
    federation: Federation,
    planner: Planner,
    past: BTreeMap<PlannedId, Vec<Wanted>>,
    /// Since when the content that was written last was true first.
    written: BTreeMap<PlannedId, Instant>,
    /// Who ever claimed a host or a server name.
    claims: BTreeMap<String, BTreeSet<(ClusterId, String)>>,
    /// The hosts that an object ever served, and those of the routes that ever led to it.
    hosts: BTreeMap<PlannedId, BTreeSet<String>>,
    /// The hosts of all Ingresses that ever named a Service.
    served: BTreeMap<(ClusterId, String), BTreeSet<String>>,
    /// The Services that an upstream is made of.
    made_of: BTreeMap<PlannedId, BTreeSet<(ClusterId, String)>>,
    began: Instant,
}

impl Oracle {
    pub(crate) fn new(clusters: &[ClusterId]) -> Self {
        let translator = |cluster: &ClusterId| {
            let mut translator = Translator::new(TranslateOptions::new(cluster.clone()));
            for kind in Kind::ALL {
                translator.apply(SourceEvent::Begin(*kind));
                translator.apply(end(*kind));
            }
            (cluster.clone(), translator)
        };
        Self {
            translators: clusters.iter().map(translator).collect(),
            federation: Federation::new(),
            planner: Planner::new(plan_options()),
            past: BTreeMap::new(),
            written: BTreeMap::new(),
            claims: BTreeMap::new(),
            hosts: BTreeMap::new(),
            served: BTreeMap::new(),
            made_of: BTreeMap::new(),
            began: Instant::now(),
        }
    }

    /// A user changed an object.
    pub(crate) fn learn(&mut self, cluster: &ClusterId, change: &Change) {
        if let Change::Apply(object) = change {
            self.claimed(cluster, object);
        }
        let Some(translator) = self.translators.get_mut(cluster) else {
            return;
        };
        translator.apply(match change {
            Change::Apply(object) => SourceEvent::Apply(Box::new(object.clone())),
            Change::Delete(id) => SourceEvent::Delete(id.clone()),
        });
        let changes = effective(translator.drain());
        let verdicts = self.federation.apply(cluster, &changes);
        let output = self.planner.apply(cluster, &changes, &verdicts);
        for (id, object) in output.objects {
            self.wanted(id, object.as_deref());
        }
    }

    fn wanted(&mut self, id: PlannedId, object: Option<&Planned>) {
        let body = object.map(|object| self.note(object));
        let content = object.zip(body).map(|(object, body)| Content {
            hash: object.hash,
            empty: is_empty(&body),
        });
        let since = Instant::now();
        self.past.entry(id).or_default().push(Wanted { since, content });
    }

    /// Remembers what an object serves and is made of; its body.
    fn note(&mut self, object: &Planned) -> Map<String, Value> {
        let body = body(object);
        let hosts = hosts(&body);
        self.hosts.entry(object.id.clone()).or_default().extend(hosts);
        if object.id.kind == ObjectKind::Upstream {
            let service = |cause: &Cause| {
                let key = &cause.key.key;
                (cause.key.cluster.clone(), format!("{}/{}", key.namespace, key.name))
            };
            let services = object.causes.iter().map(service);
            self.made_of.entry(object.id.clone()).or_default().extend(services);
        }
        body
    }

    fn claimed(&mut self, cluster: &ClusterId, object: &Object) {
        let Object::Ingress(name, ingress) = object else {
            return;
        };
        for rule in &ingress.rules {
            for path in rule.paths.iter().flatten() {
                if let IngressBackend::Service { service, .. } = &path.backend {
                    let service = (cluster.clone(), format!("{}/{service}", name.namespace));
                    let host = rule.host.as_deref().unwrap_or("*").to_owned();
                    self.served.entry(service).or_default().insert(host);
                }
            }
        }
        let routes = ingress
            .rules
            .iter()
            .map(|rule| (rule.host.as_deref(), name.to_string()));
        let secret = |tls: &hubline_agent::source::object::IngressTls| {
            let secret = format!("{}/{}", name.namespace, tls.secret.as_deref().unwrap_or_default());
            let hosts: Vec<String> = tls.hosts.iter().map(|host| host.to_string()).collect();
            hosts
                .into_iter()
                .map(move |host| (format!("sni {host}"), secret.clone()))
        };
        let names = ingress.tls.iter().flat_map(secret);
        let routes = routes.map(|(host, by)| (host.unwrap_or("*").to_owned(), by));
        for (what, by) in routes.chain(names) {
            self.claims.entry(what).or_default().insert((cluster.clone(), by));
        }
    }

    pub(crate) fn written(&mut self, object: &Planned) {
        self.note(object);
        let past = self.past.get(&object.id).into_iter().flatten();
        let first = past
            .filter(|wanted| wanted.content.is_some_and(|content| content.hash == object.hash))
            .map(|wanted| wanted.since)
            .next();
        if let Some(first) = first {
            self.written.insert(object.id.clone(), first);
        }
    }

    pub(crate) fn doubt(&self, id: &PlannedId) -> Doubt {
        let contested = self.contested(id);
        let past = self.past.get(id).map_or(&[][..], Vec::as_slice);
        let floor = self.written.get(id).copied().unwrap_or(self.began);
        let since: Vec<&Wanted> = past.iter().filter(|wanted| wanted.since >= floor).collect();
        // Before it was wanted for the first time it was not.
        if past.first().is_none_or(|first| first.since > floor) {
            return Doubt {
                unwanted: true,
                emptied: true,
                contested,
            };
        }
        Doubt {
            unwanted: since.iter().any(|wanted| wanted.content.is_none()),
            emptied: since
                .iter()
                .any(|wanted| wanted.content.is_none_or(|content| content.empty)),
            contested,
        }
    }
}

impl Oracle {
    /// Whether others ever claimed what it serves, or what the routes to it serve.
    fn contested(&self, id: &PlannedId) -> bool {
        let services = self.made_of.get(id).into_iter().flatten();
        let behind = services.filter_map(|service| self.served.get(service)).flatten();
        let mut hosts = self.hosts.get(id).into_iter().flatten().chain(behind);
        hosts.any(|host| self.claims.get(host).is_some_and(|claims| claims.len() > 1))
    }
}

fn end(kind: Kind) -> SourceEvent {
    let coverage = Coverage::All;
    SourceEvent::End { kind, coverage }
}

/// What a hub takes of it: what it would refuse keeps its last good value.
fn effective(output: Output) -> Vec<Effective> {
    let upserts = output.upserts.into_iter().filter_map(|entry| {
        check(&entry.key, &entry.resource).ok()?;
        let hash = EncodedResource::encode(&entry.key, &entry.resource).hash();
        let resource = Arc::new(entry.resource);
        Some((entry.key, Some(Stored { hash, resource })))
    });
    let removals = output.removals.into_iter().map(|key: Key| (key, None));
    let changes: BTreeMap<Key, Option<Stored>> = upserts.chain(removals).collect();
    changes.into_iter().map(|(key, now)| Effective { key, now }).collect()
}

pub(crate) fn body(object: &Planned) -> Map<String, Value> {
    serde_json::from_str(object.body.expose()).unwrap_or_default()
}

/// Whether an upstream has no nodes.
pub(crate) fn is_empty(body: &Map<String, Value>) -> bool {
    match body.get("nodes") {
        Some(Value::Array(nodes)) => nodes.is_empty(),
        Some(Value::Object(nodes)) => nodes.is_empty(),
        _ => false,
    }
}

/// What an object claims, in the words of [`Oracle::claimed`].
fn hosts(body: &Map<String, Value>) -> Vec<String> {
    let texts = |field: &str| -> Vec<String> {
        match body.get(field) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    if body.get("snis").is_some() {
        return texts("snis").iter().map(|name| format!("sni {name}")).collect();
    }
    let mut hosts = texts("host");
    hosts.extend(texts("hosts"));
    if hosts.is_empty() && body.get("uri").or(body.get("uris")).is_some() {
        hosts.push("*".to_owned());
    }
    hosts
}

/// Translates, merges and plans everything anew.
pub(crate) fn from_nothing<'a>(
    clusters: impl Iterator<Item = (&'a ClusterId, &'a BTreeMap<ObjectId, Object>)>,
) -> Plan {
    let snapshots = clusters.map(|(cluster, objects)| {
        let mut translator = Translator::new(TranslateOptions::new(cluster.clone()));
        for kind in Kind::ALL {
            translator.apply(SourceEvent::Begin(*kind));
            for object in objects.values().filter(|object| object.id().kind == *kind) {
                translator.apply(SourceEvent::Listed(Box::new(object.clone())));
            }
            translator.apply(end(*kind));
        }
        translator.snapshot()
    });
    let planned = dry_run(snapshots.collect(), plan_options());
    let objects = planned.map(|(objects, _)| objects).unwrap_or_default();
    let shown = |object: Arc<Planned>| {
        let shown = Seen::listed(object.id.kind, &body(&object)).shown;
        (object.id.clone(), (object, shown))
    };
    objects.into_iter().map(shown).collect()
}
