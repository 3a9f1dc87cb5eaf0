//! What is checked before an object is sent: the plugins that it names, and the target's own JSON schema.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, Validator};
use serde_json::Value;
use tracing::warn;

use super::AdminOptions;
use super::client::Client;
use crate::object::ObjectKind;
use crate::sink::SinkError;

/// Largest schema that is compiled, in bytes; the largest of 3.16.0 (route) has some 20 KB.
const MAX_SCHEMA_BYTES: usize = 4 << 20;

/// What the target says that it accepts. Empty before the first look at it.
#[derive(Default, Clone)]
pub(super) struct Checks {
    /// None when the target does not say; then it checks for itself.
    plugins: Option<BTreeSet<String>>,
    schemas: BTreeMap<ObjectKind, Arc<Validator>>,
    /// What could not be fetched, said once.
    warned: BTreeSet<String>,
}

impl fmt::Debug for Checks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.schemas.keys().collect();
        out.debug_struct("Checks")
            .field("n_plugins", &self.plugins.as_ref().map(BTreeSet::len))
            .field("schemas", &kinds)
            .finish_non_exhaustive()
    }
}

impl Checks {
    /// Asks the target; what it does not tell is warned about once and then not checked here.
    pub(super) async fn fetch(client: &Client, options: &AdminOptions, before: &Self) -> Self {
        let mut checks = Self {
            warned: before.warned.clone(),
            ..Self::default()
        };
        match fetch_json(client, options, "/apisix/admin/plugins/list")
            .await
            .and_then(plugin_names)
        {
            Ok(plugins) => checks.plugins = Some(plugins),
            Err(why) => checks.warn_once(options, "list of plugins", &why),
        }
        for kind in options.kinds.iter().copied() {
            let path = format!("/apisix/admin/schema/{}", schema_name(kind));
            match fetch_json(client, options, &path)
                .await
                .and_then(|schema| compile(&schema))
            {
                Ok(schema) => drop(checks.schemas.insert(kind, Arc::new(schema))),
                Err(why) => checks.warn_once(options, schema_name(kind), &why),
            }
        }
        checks
    }

    fn warn_once(&mut self, options: &AdminOptions, what: &str, why: &str) {
        if self.warned.insert(what.to_owned()) {
            warn!(target = %options.target, what, why, "the target does not show its schema, objects go unchecked");
        }
    }

    /// The body as it is sent.
    pub(super) fn body(&self, kind: ObjectKind, text: &str) -> Result<String, SinkError> {
        // Serde's errors quote the input, which can be a key.
        let body: Value = serde_json::from_str(text).map_err(|_| SinkError::Schema {
            path: String::new(),
            message: "the body is no JSON".to_owned(),
        })?;
        self.check_plugins(kind, &body)?;
        self.check_schema(kind, &body)?;
        Ok(text.to_owned())
    }

    /// An unknown authentication plugin would leave a route open where the target ignores what it does not know.
    fn check_plugins(&self, kind: ObjectKind, body: &Value) -> Result<(), SinkError> {
        // Stream routes have a list of plugins of their own, which their schema checks at the target.
        let Some(known) = self.plugins.as_ref().filter(|_| kind != ObjectKind::StreamRoute) else {
            return Ok(());
        };
        let named = body
            .get("plugins")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|plugins| plugins.keys());
        let unknown = named.into_iter().find(|plugin| !known.contains(*plugin));
        unknown.map_or(Ok(()), |plugin| {
            Err(SinkError::UnknownPlugin { plugin: plugin.clone() })
        })
    }

    fn check_schema(&self, kind: ObjectKind, body: &Value) -> Result<(), SinkError> {
        let error = self
            .schemas
            .get(&kind)
            .and_then(|schema| schema.iter_errors(body).next());
        error.map_or(Ok(()), |error| {
            Err(SinkError::Schema {
                path: error.instance_path().to_string(),
                message: error.masked_with("the value").to_string(),
            })
        })
    }
}

/// The Admin API names schemas in the singular.
fn schema_name(kind: ObjectKind) -> &'static str {
    let collection = kind.collection();
    collection.strip_suffix('s').unwrap_or(collection)
}

async fn fetch_json(client: &Client, options: &AdminOptions, path: &str) -> Result<Value, String> {
    let answer = client
        .get(path, options.timeout)
        .await
        .map_err(|error| error.to_string())?;
    let body = answer.of_get().map_err(|error| error.to_string())?;
    if body.len() > MAX_SCHEMA_BYTES {
        return Err(format!("it is longer than {MAX_SCHEMA_BYTES} bytes"));
    }
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn plugin_names(list: Value) -> Result<BTreeSet<String>, String> {
    let names: Vec<String> = serde_json::from_value(list).map_err(|error| error.to_string())?;
    if names.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(names.into_iter().collect())
}

fn compile(schema: &Value) -> Result<Validator, String> {
    if !schema.is_object() {
        return Err("it is no object".to_owned());
    }
    let options = jsonschema::options()
        .with_draft(Draft::Draft7)
        .should_validate_formats(false);
    options.build(schema).map_err(|error| error.to_string())
}
