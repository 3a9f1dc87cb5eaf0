//! What has to be true at the target before a diversion is written. The Admin API does not look: it takes a rule that
//! names a missing upstream, which then answers 500 to every request, and APISIX runs neither of two rules with
//! `traffic-split` (`reference/apisix.md`).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::client::Client;
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
        match foreign_split(&self.client, self.options.timeout, |id| self.ownership.has_our_id(id)).await? {
            Some(id) => Err(SinkError::ForeignSplit { id }),
            None => Ok(()),
        }
    }
}

/// Whether a rule is one that has to be proved.
pub(super) fn is_diversion(object: &Object) -> bool {
    object.id.kind == ObjectKind::GlobalRule && !object.references.is_empty()
}

async fn foreign_split(
    client: &Client,
    timeout: std::time::Duration,
    ours: impl Fn(&str) -> bool,
) -> Result<Option<String>, SinkError> {
    let answer = client.get("/apisix/admin/global_rules", timeout).await?;
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
    let values = rules.filter_map(|item| item.get("value")?.as_object());
    let mut foreign = values
        .filter(|rule| splits(rule))
        .filter_map(|rule| rule.get("id")?.as_str());
    Ok(foreign.find(|id| !ours(id)).map(str::to_owned))
}

/// Whether a global rule has the plugin of a diversion.
pub(super) fn splits(rule: &Map<String, Value>) -> bool {
    rule.get("plugins").is_some_and(|plugins| plugins.get(SPLIT).is_some())
}
