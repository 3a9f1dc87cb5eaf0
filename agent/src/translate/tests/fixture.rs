//! Objects for tests, written as YAML and read as a source reads them.

use super::*;
use crate::source::{Coverage, Object};

pub(super) const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: apisix
  tls: [{hosts: [web.example.com], secretName: pair}]
  rules:
  - host: web.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
";

pub(super) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
";

pub(super) const SLICE: &str = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-a, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.0.0.1]}]
";

pub(super) const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDR: 10.244.0.0/24}
status:
  addresses: [{type: InternalIP, address: 192.0.2.1}]
  conditions: [{type: Ready, status: 'True', lastHeartbeatTime: '2026-01-02T03:04:05Z'}]
";

/// Reads objects from YAML, one document after the other.
pub(super) fn objects(yaml: &str) -> Vec<Object> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("objects.yaml"), yaml).unwrap();
    let events = crate::source::manifest::read_once(directory.path()).unwrap();
    let listed = |event| match event {
        SourceEvent::Listed(object) => Some(*object),
        SourceEvent::Problems(problems) => panic!("{problems:?}"),
        _ => None,
    };
    events.into_iter().filter_map(listed).collect()
}

pub(super) fn object(yaml: &str) -> Object {
    objects(yaml).remove(0)
}

pub(super) fn apply(yaml: &str) -> SourceEvent {
    SourceEvent::Apply(Box::new(object(yaml)))
}

pub(super) fn delete(yaml: &str) -> SourceEvent {
    SourceEvent::Delete(object(yaml).id())
}

/// A Secret `shop/pair` with a fresh certificate.
pub(super) fn secret() -> String {
    let pair = rcgen::generate_simple_self_signed(vec!["web.example.com".to_owned()]).unwrap();
    secret_of(&pair.cert.pem(), &pair.signing_key.serialize_pem())
}

pub(super) fn secret_of(chain: &str, key: &str) -> String {
    let indented = |text: &str| text.replace('\n', "\n    ");
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: pair, namespace: shop}}\ntype: kubernetes.io/tls\n\
         stringData:\n  tls.crt: |\n    {}\n  tls.key: |\n    {}\n",
        indented(chain),
        indented(key)
    )
}

/// The whole shop: ingress, service, slice, secret and node.
pub(super) fn shop() -> Vec<Object> {
    objects(&[INGRESS, SERVICE, SLICE, &secret(), NODE].join("\n---\n"))
}

/// Events of complete listings of all kinds but one.
pub(super) fn listing(objects: &[Object], but: Option<Kind>) -> Vec<SourceEvent> {
    let mut events = Vec::new();
    for kind in Kind::ALL.iter().copied().filter(|kind| Some(*kind) != but) {
        events.push(SourceEvent::Begin(kind));
        let of_kind = objects.iter().filter(|object| object.id().kind == kind);
        events.extend(of_kind.map(|object| SourceEvent::Listed(Box::new(object.clone()))));
        let coverage = Coverage::All;
        events.push(SourceEvent::End { kind, coverage });
    }
    events
}

/// A translator that has seen complete listings of these objects, with its first output.
pub(super) fn started(objects: &[Object]) -> (Translator, Output) {
    let mut translator = Translator::new(options());
    for event in listing(objects, None) {
        translator.apply(event);
    }
    let output = translator.drain();
    (translator, output)
}

/// What a hub holds after these outputs.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) resources: BTreeMap<Key, Resource>,
    pub(super) groups: Vec<GroupState>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Held {
    pub(super) fn take(&mut self, output: Output) {
        for key in output.removals {
            assert!(self.resources.remove(&key).is_some(), "{key} removed and never there");
        }
        for entry in output.upserts {
            self.resources.insert(entry.key, entry.resource);
        }
        if let Some(groups) = output.groups {
            self.groups = groups;
        }
        if let Some(diagnostics) = output.diagnostics {
            self.diagnostics = diagnostics;
        }
    }
}

/// `Kind namespace/name#section` of keys, for short comparisons.
pub(super) fn short(output: &Output) -> Vec<String> {
    let text = |sign: char, key: &Key| format!("{sign}{} {}#{}", key.kind, key.name, key.section);
    let upserts = output.upserts.iter().map(|entry| text('+', &entry.key));
    upserts
        .chain(output.removals.iter().map(|key| text('-', key)))
        .collect()
}
