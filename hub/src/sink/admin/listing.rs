//! Reads a listing of one collection: `{"total", "list": [{"key", "value", ...}]}`.
//!
//! It is taken in one piece: the Admin API's paging reads everything from etcd for each page. Of each object only
//! a hash and its references are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::proof::splits;
use crate::object::{ObjectId, ObjectKind};
use crate::sink::ownership::label;
use crate::sink::{Ownership, Seen, SinkError};

/// What a collection holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) ours: BTreeMap<ObjectId, Seen>,
    pub(super) occupied: BTreeSet<ObjectId>,
    pub(super) n_foreign: u64,
    /// Somebody else's global rule with the plugin of a diversion.
    pub(super) foreign_split: Option<String>,
}

/// Reads it on a thread of its own: 100 MB take a second.
pub(super) async fn parse(kind: ObjectKind, body: Vec<u8>, ownership: Ownership) -> Result<Listed, SinkError> {
    let parsed = tokio::task::spawn_blocking(move || parse_now(kind, &body, &ownership)).await;
    let malformed = |message: String| SinkError::Malformed { message };
    parsed.map_err(|error| malformed(error.to_string()))?
}

fn parse_now(kind: ObjectKind, body: &[u8], ownership: &Ownership) -> Result<Listed, SinkError> {
    let mut listed = Listed::default();
    let mut found_list = false;
    let reader = Reader {
        kind,
        ownership,
        listed: &mut listed,
        found_list: &mut found_list,
    };
    let read = reader.deserialize(&mut serde_json::Deserializer::from_slice(body));
    let message = match read {
        Ok(()) if found_list => return Ok(listed),
        Ok(()) => format!("the listing of {} has no list", kind.collection()),
        // Never the error's own words: they can quote the input.
        Err(error) => format!(
            "the listing of {}, line {} column {}",
            kind.collection(),
            error.line(),
            error.column()
        ),
    };
    Err(SinkError::Malformed { message })
}

struct Reader<'a> {
    kind: ObjectKind,
    ownership: &'a Ownership,
    listed: &'a mut Listed,
    found_list: &'a mut bool,
}

#[derive(Deserialize)]
struct Item {
    key: String,
    value: Map<String, Value>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a listing")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            if field == "list" {
                *self.found_list = true;
                map.next_value_seed(Items {
                    kind: self.kind,
                    ownership: self.ownership,
                    listed: self.listed,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Items<'a> {
    kind: ObjectKind,
    ownership: &'a Ownership,
    listed: &'a mut Listed,
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Item>()? {
            self.take(&item);
        }
        Ok(())
    }

    /// Lua writes an empty list as an empty object where nobody tells it otherwise.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match map.next_key::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(serde::de::Error::custom("an object where a list belongs")),
        }
    }
}

impl Items<'_> {
    fn take(&mut self, item: &Item) {
        if self.kind == ObjectKind::GlobalRule && splits(&item.value) {
            let foreign = self.name(&item.key).filter(|name| !self.ownership.has_our_id(name));
            self.listed.foreign_split = self.listed.foreign_split.take().or(foreign.map(str::to_owned));
        }
        let Some(name) = self.name(&item.key) else {
            self.listed.n_foreign += 1;
            return;
        };
        let id = ObjectId {
            kind: self.kind,
            id: name.into(),
        };
        let (managed_by, hub) = (label(&item.value, "managed-by"), label(&item.value, "hub"));
        if self.ownership.owns(&id, managed_by, hub) {
            self.listed.ours.insert(id, Seen::listed(self.kind, &item.value));
            return;
        }
        self.listed.n_foreign += 1;
        if self.ownership.has_our_id(&id.id) {
            self.listed.occupied.insert(id);
        }
    }

    /// The part of the etcd key after the collection; a consumer's credentials lie deeper and are not of its kind.
    fn name<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (_, name) = key.rsplit_once(&format!("/{}/", self.kind.collection()))?;
        (!name.is_empty() && !name.contains('/')).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_text(kind: ObjectKind, body: &str) -> Result<Listed, SinkError> {
        let ownership = Ownership {
            prefix: "hl".to_owned(),
            hub: "main".to_owned(),
        };
        parse_now(kind, body.as_bytes(), &ownership)
    }

    #[test]
    fn ours_foreign_and_occupied_are_told_apart() {
        let body = r#"{"total":3,"list":[
            {"key":"/apisix/routes/hl-1","value":{"id":"hl-1","labels":{"managed-by":"hubline","hub":"main"}},"modifiedIndex":1},
            {"key":"/apisix/routes/hl-2","value":{"id":"hl-2"}},
            {"key":"/apisix/routes/r","value":{"id":"r","labels":{"managed-by":"hubline","hub":"main"}}}]}"#;
        let listed = parse_text(ObjectKind::Route, body).unwrap();
        assert_eq!(listed.ours.keys().map(|id| &*id.id).collect::<Vec<_>>(), ["hl-1"]);
        assert_eq!(listed.occupied.iter().map(|id| &*id.id).collect::<Vec<_>>(), ["hl-2"]);
        assert_eq!(listed.n_foreign, 2);
    }

    #[test]
    fn empty_lists_of_both_forms_are_empty_and_no_list_is_an_error() {
        for body in [r#"{"total":0,"list":[]}"#, r#"{"list":{},"total":0}"#] {
            assert_eq!(parse_text(ObjectKind::Route, body).unwrap().n_foreign, 0, "{body}");
        }
        for body in [
            "{}",
            "<html>",
            r#"{"list":[{"#,
            r#"{"list":{"a":1}}"#,
            r#"{"message":"ok"}"#,
        ] {
            let error = parse_text(ObjectKind::Route, body).unwrap_err();
            assert_eq!(error.reason(), "malformed", "an error is not an empty list: {body}");
        }
    }

    #[test]
    fn credentials_are_no_consumers() {
        let body = r#"{"list":[{"key":"/apisix/consumers/hl-1/credentials/hl-2","value":{}}]}"#;
        let listed = parse_text(ObjectKind::Consumer, body).unwrap();
        assert!(listed.ours.is_empty());
    }
}
