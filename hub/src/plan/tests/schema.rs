//! APISIX's own schema, as far as a recorded copy is at hand.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::object::{Object, ObjectKind};

/// Validators by kind.
pub(super) struct Schemas(BTreeMap<ObjectKind, Validator>);

static SCHEMAS: LazyLock<Option<Schemas>> = LazyLock::new(read);

impl Schemas {
    /// The recorded schema; none, with a visible line, where it is not at hand. In CI it must be.
    pub(super) fn load() -> Option<&'static Self> {
        SCHEMAS.as_ref()
    }

    /// What is wrong with an object.
    pub(super) fn errors(&self, object: &Object) -> Vec<String> {
        let body: Value = serde_json::from_str(object.body.expose()).unwrap();
        let errors = self.0[&object.id.kind].iter_errors(&body);
        errors.map(|error| format!("{}: {error}", object.id)).collect()
    }
}

fn read() -> Option<Schemas> {
    let folder = std::env::var_os("HUBLINE_REFERENCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference")),
        PathBuf::from,
    );
    let Ok(text) = std::fs::read_to_string(folder.join("apisix-schema.json")) else {
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "apisix-schema.json is required in CI: set HUBLINE_REFERENCE");
        // Straight to stderr: what is printed by macros is hidden when a test passes.
        let line = b"SKIPPED: no apisix-schema.json; set HUBLINE_REFERENCE to the folder that has it\n";
        std::io::stderr().write_all(line).unwrap();
        return None;
    };
    let whole: Value = serde_json::from_str(&text).unwrap();
    let validator = |kind: ObjectKind| {
        let singular = kind.collection().trim_end_matches('s');
        let name = if singular.is_empty() {
            kind.collection()
        } else {
            singular
        };
        let schema = &whole["main"][if kind == ObjectKind::Ssl { "ssl" } else { name }];
        assert!(schema.is_object(), "{name}");
        (kind, jsonschema::validator_for(schema).unwrap())
    };
    Some(Schemas(ObjectKind::ALL.into_iter().map(validator).collect()))
}

#[test]
fn the_schema_finds_what_is_wrong() {
    let Some(schemas) = Schemas::load() else { return };
    let mut wrong = super::world::World::new();
    wrong.put(
        &super::world::key(hubline::model::ResourceKind::Certificate, "tls"),
        super::world::certificate(&["a.b"]),
    );
    let mut object = wrong.objects.values().next().unwrap().as_ref().clone();
    assert_eq!(schemas.errors(&object), Vec::<String>::new());
    (object.body, object.hash) = crate::object::canonical(&serde_json::json!({"id": "x", "snis": []}));
    assert_ne!(schemas.errors(&object), Vec::<String>::new());
}
