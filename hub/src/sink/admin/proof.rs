//! What has to be true at the target before a global rule is written. The Admin API does not look at all of it: it takes
//! a rule that names a missing upstream, which then answers 500 to every request, and where it is not asked (etcd,
//! standalone) APISIX runs neither of two rules with the same plugin (`reference/apisix.md`).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AdminSink, path_of};
use crate::object::{Object, ObjectKind};
use crate::sink::SinkError;

/// The plugin of a diversion.
const SPLIT: &str = "traffic-split";

#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    list: Value,
}

impl AdminSink {
    /// Looks whether a global rule may be written. Costs a listing of global rules, of which there are few, and a
    /// read for each upstream.
    pub(super) async fn prove(&self, rule: &Object) -> Result<(), SinkError> {
        for upstream in rule.references.iter().filter(|id| id.kind == ObjectKind::Upstream) {
            let answer = self.client.get(&path_of(upstream), self.options.timeout).await?;
            if answer.is_missing_key() {
                let upstream = upstream.clone();
                return Err(SinkError::Unproven { upstream });
            }
            answer.of_get()?;
        }
        match self.foreign_with(&plugins_of(rule)).await? {
            Some((plugin, id)) if plugin == SPLIT => Err(SinkError::ForeignSplit { id }),
            Some((plugin, id)) => Err(SinkError::ForeignRule { id, plugin }),
            None => Ok(()),
        }
    }

    /// Somebody else's global rule with one of these plugins.
    async fn foreign_with(&self, plugins: &BTreeSet<String>) -> Result<Option<(String, String)>, SinkError> {
        let answer = self
            .client
            .get("/apisix/admin/global_rules", self.options.timeout)
            .await?;
        if answer.unsupported().is_some() || answer.is_missing_key() {
            return Ok(None);
        }
        let body = answer.of_get()?;
        let listing: Listing = serde_json::from_slice(&body).map_err(|error| SinkError::Malformed {
            message: format!(
                "the listing of global_rules, line {} column {}",
                error.line(),
                error.column()
            ),
        })?;
        let rules = listing.list.as_array().into_iter().flatten();
        let mut values = rules.filter_map(|item| item.get("value")?.as_object());
        Ok(values.find_map(|rule| self.foreign(rule, plugins)))
    }

    fn foreign(&self, rule: &Map<String, Value>, plugins: &BTreeSet<String>) -> Option<(String, String)> {
        let id = match rule.get("id")? {
            Value::String(text) => text.clone(),
            // Ids may be numbers in APISIX.
            other => other.to_string(),
        };
        let theirs = rule.get("plugins")?.as_object()?;
        let both = theirs.keys().find(|plugin| plugins.contains(*plugin))?;
        (!self.ownership.has_our_id(&id)).then(|| (both.clone(), id))
    }
}

fn plugins_of(rule: &Object) -> BTreeSet<String> {
    let body: Value = serde_json::from_str(rule.body.expose()).unwrap_or_default();
    let plugins = body.get("plugins").and_then(Value::as_object);
    plugins.into_iter().flat_map(Map::keys).cloned().collect()
}

/// Whether a rule has to be proved: each of them.
pub(super) fn is_needed(object: &Object) -> bool {
    object.id.kind == ObjectKind::GlobalRule
}

/// Whether a global rule has the plugin of a diversion.
pub(super) fn splits(rule: &Map<String, Value>) -> bool {
    rule.get("plugins").is_some_and(|plugins| plugins.get(SPLIT).is_some())
}
