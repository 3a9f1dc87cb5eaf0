use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::*;
use crate::source::{Kind, KindVisitor, Object, SourceEvent, Watched, manifest};

/// The documents of a golden file, as JSON.
fn documents(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/crd").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}

/// Those in which every field means something.
fn whole() -> impl Iterator<Item = Value> {
    ["v2.yaml", "v1alpha1.yaml", "peer-cases.yaml"]
        .into_iter()
        .flat_map(documents)
}

fn kind(document: &Value) -> Kind {
    let text = |field: &str| document[field].as_str().unwrap();
    Kind::of(text("apiVersion"), text("kind")).unwrap()
}

struct Read(Value);

impl KindVisitor for Read {
    type Output = Result<Object, serde_json::Error>;

    fn visit<K: Watched>(self) -> Self::Output {
        serde_json::from_value::<K>(self.0).map(K::slim)
    }
}

/// The specification of an object, written again.
fn written(object: &Object) -> Value {
    fn json<S: Serialize>(spec: &S) -> Value {
        serde_json::to_value(spec).unwrap()
    }
    match object {
        Object::ApisixRoute(_, object) => json(&object.spec),
        Object::ApisixUpstream(_, object) => json(&object.spec),
        Object::ApisixTls(_, object) => json(&object.spec),
        Object::ApisixConsumer(_, object) => json(&object.spec),
        Object::ApisixPluginConfig(_, object) => json(&object.spec),
        Object::ApisixGlobalRule(_, object) => json(&object.spec),
        Object::BackendTrafficPolicy(_, object) => json(&object.spec),
        Object::HttpRoutePolicy(_, object) => json(&object.spec),
        Object::L4RoutePolicy(_, object) => json(&object.spec),
        Object::Consumer(_, object) => json(&object.spec),
        Object::PluginConfig(_, object) => json(&object.spec),
        Object::GatewayProxy(_, object) => json(&object.spec),
        other => panic!("{other:?}"),
    }
}

/// Whether all of `read` stands in `written`, and nothing else; a fingerprint stands for anything.
fn same(read: &Value, written: &Value, path: &str) {
    match (read, written) {
        (_, Value::String(fingerprint)) if fingerprint.starts_with("redacted:") => {}
        (Value::Object(read), Value::Object(written)) => {
            assert!(read.keys().eq(written.keys()), "{path}: {read:?}\n{written:?}");
            for (name, value) in read {
                same(value, &written[name], &format!("{path}.{name}"));
            }
        }
        (Value::Array(read), Value::Array(written)) => {
            assert_eq!(read.len(), written.len(), "{path}");
            read.iter()
                .zip(written)
                .for_each(|(read, written)| same(read, written, &format!("{path}[]")));
        }
        _ => assert_eq!(read, written, "{path}"),
    }
}

#[test]
fn every_field_is_read_under_its_own_name() {
    let mut kinds = Vec::new();
    for document in whole() {
        let kind = kind(&document);
        let object = kind.visit(Read(document.clone())).unwrap();
        same(&document["spec"], &written(&object), kind.name());
        kinds.push(kind);
    }
    let custom = Kind::ALL.iter().filter(|kind| kind.is_custom());
    assert!(custom.clone().all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert_eq!(custom.count(), 12);
}

#[test]
fn what_either_peer_accepts_is_read() {
    for document in documents("least.yaml").into_iter().chain(documents("nulls.yaml")) {
        let (kind, name) = (kind(&document), document["metadata"]["name"].clone());
        let read = kind.visit(Read(document));
        assert!(read.is_ok(), "{} {name}: {}", kind.name(), read.unwrap_err());
    }
}

/// The promise is `secrets_stay_secret`.
#[test]
fn credentials_are_never_printed() {
    for document in whole() {
        let object = kind(&document).visit(Read(document)).unwrap();
        let printed = format!("{object:?} {}", written(&object));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn a_configuration_that_is_passed_on_keeps_every_value() {
    let document = documents("v2.yaml").remove(0);
    let Ok(Object::ApisixRoute(_, route)) = kind(&document).visit(Read(document.clone())) else {
        panic!("no route")
    };
    let plugins = &route.spec.http[0].plugins;
    assert_eq!(
        plugins[0].config.as_ref().unwrap().expose(),
        &document["spec"]["http"][0]["plugins"][0]["config"]
    );
    assert!(plugins[0].is_enabled() && !plugins[1].is_enabled());
    assert!(SwitchedPlugin::default().is_enabled());
    // Equal objects are equal by what is secret, too.
    assert_ne!(plugins[0].config, Some(SecretValue::new(Value::Null)));
}

#[test]
fn files_are_read_as_api_servers_answers_are() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/crd");
    let mut listed = Vec::new();
    for event in manifest::read_once(&directory).unwrap() {
        match event {
            SourceEvent::Listed(object) => listed.push(*object),
            SourceEvent::Problems(problems) => panic!("{problems:?}"),
            _ => {}
        }
    }
    let documents: Vec<Value> = whole()
        .chain(["least.yaml", "nulls.yaml"].into_iter().flat_map(documents))
        .collect();
    assert_eq!(listed.len(), documents.len());
    for document in documents {
        let object = kind(&document).visit(Read(document)).unwrap();
        assert!(listed.contains(&object), "{:?}", object.id());
    }
}

/// A type that does not fit is named with what would, but a credential that stands in its place is not quoted.
#[test]
fn what_does_not_fit_is_said_without_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let file = "apiVersion: apisix.apache.org/v2\nkind: ApisixConsumer\nmetadata: {name: rose, namespace: shop}\n\
                spec: {authParameter: {basicAuth: {value: hunter2}}}\n---\n\
                apiVersion: apisix.apache.org/v2\nkind: ApisixRoute\nmetadata: {name: web, namespace: shop}\n\
                spec: {http: [{name: r, websocket: maybe}]}\n---\n\
                apiVersion: apisix.apache.org/v2\nkind: ApisixConsumer\nmetadata: {name: jack, namespace: shop}\n\
                spec: {authParameter: {basicAuth: {value: {password: hunter2}}}}\n";
    std::fs::write(directory.path().join("a.yaml"), file).unwrap();
    let events = manifest::read_once(directory.path()).unwrap();
    let problems = events.into_iter().find_map(|event| match event {
        SourceEvent::Problems(problems) => Some(problems),
        _ => None,
    });
    let text = format!("{:?}", problems.unwrap());
    assert!(!text.contains("hunter2"), "{text}");
    for told in [
        "cannot be read as a ApisixConsumer",
        "invalid boolean",
        "missing field `username`",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
}

/// Every object that an agent holds, and every event on its way, has the size of the largest kind.
#[test]
fn custom_resources_make_no_object_larger() {
    let largest = size_of::<crate::source::object::Ingress>().max(size_of::<hubline::model::Node>());
    assert!(size_of::<crate::source::object::ApisixRoute>() <= 24);
    assert!(size_of::<Object>() <= largest + size_of::<crate::source::Name>() + 8);
}

fn definitions_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/crds")
}

#[test]
fn the_committed_definitions_are_those_of_the_types() {
    let folder = definitions_folder();
    let again = "write them anew: cargo run -p hubline-agent -- crds --directory deploy/crds";
    let mut names = vec!["kustomization.yaml".to_owned()];
    for file in definitions().unwrap() {
        let committed = std::fs::read_to_string(folder.join(&file.name)).unwrap_or_default();
        assert!(
            committed == file.text,
            "{} is not what its types say; {again}",
            file.name
        );
        names.push(file.name);
    }
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut there: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    names.sort();
    assert_eq!(there, names, "{again}");
}

#[test]
fn every_custom_kind_has_a_definition() {
    let definitions: Vec<Value> = definitions()
        .unwrap()
        .iter()
        .map(|file| serde_saphyr::from_str(&file.text).unwrap())
        .collect();
    let mut defined: Vec<Option<Kind>> = definitions
        .iter()
        .map(|definition| {
            let spec = &definition["spec"];
            assert_eq!(spec["scope"], "Namespaced");
            let text = |pointer: &str| spec.pointer(pointer).unwrap().as_str().unwrap();
            let version = format!("{}/{}", text("/group"), text("/versions/0/name"));
            Kind::of(&version, text("/names/kind"))
        })
        .collect();
    defined.sort();
    let custom = Kind::ALL.iter().copied().filter(|kind| kind.is_custom());
    assert_eq!(defined, custom.map(Some).collect::<Vec<_>>());
}

/// What an API server would write into objects, or would refuse, and the peers' definitions do not.
#[test]
fn definitions_change_nothing_that_users_write() {
    fn check(schema: &Value, path: &str) {
        let names: Vec<&str> = schema.as_object().unwrap().keys().map(String::as_str).collect();
        for never in ["default", "nullable", "anyOf", "oneOf", "allOf", "not", "$ref"] {
            assert!(!names.contains(&never), "{path} has {never}");
        }
        let typed = [
            "type",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-int-or-string",
        ];
        assert!(typed.iter().any(|name| names.contains(name)), "{path} has no type");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            check(property, &format!("{path}.{name}"));
        }
        for nested in ["items", "additionalProperties"] {
            if let Some(nested) = schema.get(nested) {
                check(nested, &format!("{path}[]"));
            }
        }
    }
    for file in definitions().unwrap() {
        let definition: Value = serde_saphyr::from_str(&file.text).unwrap();
        check(
            &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            &file.name,
        );
    }
}
