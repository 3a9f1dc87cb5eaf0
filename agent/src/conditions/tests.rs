//! Objects, words of hubs and an API server for the tests of this module.

mod ancestors;
mod ledger;
mod notices;
mod queue;
mod server;
mod verdicts;
mod wishes;
mod writing;

use std::sync::Arc;

use hubline::model::{Diagnostic, Key, ResourceKind, Severity};
use hubline::wire::{ContentHash, ResourceStatus};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::Facts;
use crate::output::{Declared, Standing};
use crate::source::{Kind, Name, ObjectId, Reported, ReportedStatus};

fn id(kind: Kind, name: &str) -> ObjectId {
    let name = Name::new("shop", name);
    ObjectId { kind, name }
}

/// A resource made of an object.
fn key(kind: ResourceKind, source: Kind, name: &str, section: &str) -> Key {
    Key::new(kind, &source.group_kind(), "shop", name, section)
}

fn route(name: &str, section: &str) -> Key {
    key(ResourceKind::Route, Kind::ApisixRoute, name, section)
}

fn service(name: &str) -> Key {
    key(ResourceKind::Service, Kind::Service, name, "80")
}

fn said(key: &Key, hash: u128, condition: &str, reason: &str, message: &str) -> ResourceStatus {
    ResourceStatus {
        key: key.clone(),
        content_hash: ContentHash(hash),
        condition: condition.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        gone: false,
    }
}

fn diagnostic(id: &ObjectId, severity: Severity, reason: &str, field: &str, message: &str) -> Diagnostic {
    Diagnostic {
        object: id.reference(),
        field: field.to_owned(),
        severity,
        reason: reason.to_owned(),
        message: message.to_owned(),
    }
}

fn reported(by_us: bool, generation: i64, status: ReportedStatus) -> Reported {
    Reported {
        uid: "u-1".into(),
        version: "7".into(),
        generation,
        by_us,
        status,
    }
}

fn conditions(list: &Value) -> ReportedStatus {
    ReportedStatus::of(Kind::ApisixRoute, &json!({"conditions": list}))
}

fn addresses(list: &[&str]) -> ReportedStatus {
    ReportedStatus::Addresses(list.iter().map(|it| (*it).into()).collect())
}

fn facts(standing: Standing, reported: Reported, diagnostics: Vec<Diagnostic>) -> Facts {
    let keys = Box::default();
    Facts {
        reported: Arc::new(reported),
        declared: Arc::new(Declared {
            standing,
            keys,
            whole: true,
            ..Declared::default()
        }),
        diagnostics: (!diagnostics.is_empty()).then(|| diagnostics.into()),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}
