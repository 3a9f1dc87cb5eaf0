//! APISIX's own schema: every object, and every plugin's configuration in it.

use std::collections::BTreeMap;

use hubline_hub::object::{Object, ObjectKind};
use jsonschema::Validator;
use serde_json::Value;

use super::input::inputs;
use super::objects::{NOT_ENABLED, jumble};
use super::odd;
use super::{body, planned, reference};

struct Schemas {
    objects: BTreeMap<String, Validator>,
    plugins: BTreeMap<String, Validator>,
    of_streams: BTreeMap<String, Validator>,
    of_consumers: BTreeMap<String, Validator>,
}

impl Schemas {
    fn load() -> Option<Self> {
        let whole: Value = serde_json::from_str(&reference("apisix-schema.json")?).unwrap();
        // Formats are checked by APISIX, and not by default here.
        let validator = |schema: &Value| {
            let options = jsonschema::options().should_validate_formats(true);
            options.build(schema).unwrap()
        };
        let objects = whole["main"].as_object().unwrap().iter();
        let objects = objects.map(|(name, schema)| (format!("{name}s"), validator(schema)));
        let plugins = |kind: &str, schema: &'static str| {
            let plugins = whole[kind].as_object().unwrap().iter();
            let plugins = plugins.filter_map(|(name, plugin)| Some((name.clone(), validator(plugin.get(schema)?))));
            plugins.collect::<BTreeMap<_, _>>()
        };
        Some(Self {
            objects: objects.collect(),
            plugins: plugins("plugins", "schema"),
            of_streams: plugins("stream_plugins", "schema"),
            of_consumers: plugins("plugins", "consumer_schema"),
        })
    }

    fn errors(&self, object: &Object) -> Vec<String> {
        let body = body(object);
        let whole = self.objects[object.id.kind.collection()].iter_errors(&body);
        let mut errors: Vec<_> = whole.map(|error| error.to_string()).collect();
        for (name, config) in body["plugins"].as_object().into_iter().flatten() {
            if NOT_ENABLED.contains(&name.as_str()) {
                continue;
            }
            let of_kind = match object.id.kind {
                ObjectKind::StreamRoute => self.of_streams.get(name),
                ObjectKind::Consumer => self.of_consumers.get(name).or_else(|| self.plugins.get(name)),
                _ => self.plugins.get(name),
            };
            let Some(schema) = of_kind else {
                errors.push(format!("there is no plugin {name}"));
                continue;
            };
            let wrong = schema.iter_errors(config);
            errors.extend(wrong.map(|error| format!("{name} {config}: {error}")));
        }
        errors
    }
}

#[test]
fn every_object_fits_apisix_own_schema() {
    let Some(schemas) = Schemas::load() else { return };
    for input in inputs() {
        for object in input.planned().objects {
            assert_eq!(schemas.errors(&object), Vec::<String>::new(), "{}", input.name);
        }
    }
}

#[test]
fn whatever_is_written_fits_apisix_own_schema() {
    let Some(schemas) = Schemas::load() else { return };
    for object in planned(&jumble(), false).objects {
        assert_eq!(schemas.errors(&object), Vec::<String>::new());
    }
}

#[test]
fn whatever_stands_in_custom_resources_fits_apisix_own_schema() {
    let Some(schemas) = Schemas::load() else { return };
    for object in planned(&odd::manifests(), false).objects {
        assert_eq!(schemas.errors(&object), Vec::<String>::new());
    }
}
