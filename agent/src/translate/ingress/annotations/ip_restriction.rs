//! `allowlist-source-range` and `blocklist-source-range`: the plugin `ip-restriction`.

use serde_json::json;

use super::reader::Reader;
use super::{known, value};

pub(super) fn read(reader: &mut Reader<'_>) {
    let allowed = networks(reader, known::ALLOWLIST_SOURCE_RANGE);
    let blocked = networks(reader, known::BLOCKLIST_SOURCE_RANGE);
    match (allowed, blocked) {
        (None, None) => {}
        (Some(allowed), None) => reader.plugin("ip-restriction", json!({"whitelist": allowed})),
        (None, Some(blocked)) => reader.plugin("ip-restriction", json!({"blacklist": blocked})),
        (Some(_), Some(_)) => {
            let message = "excludes allowlist-source-range: APISIX takes one of the two";
            reader.refuse(known::BLOCKLIST_SOURCE_RANGE, message);
        }
    }
}

fn networks(reader: &mut Reader<'_>, name: &str) -> Option<Vec<String>> {
    match reader.list(name, value::network) {
        Ok(networks) => networks,
        Err(message) => {
            reader.refuse(name, message);
            None
        }
    }
}
