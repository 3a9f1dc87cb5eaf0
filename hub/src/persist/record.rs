//! The form of a cluster's facts in the file: JSON, sealed.

use hubline::model::Group;
use hubline::wire::Epoch;
use serde::{Deserialize, Serialize};

use crate::cluster::{GroupRecord, Meta};

#[derive(Serialize, Deserialize)]
struct MetaForm {
    uid: Option<String>,
    epoch: (u64, u64),
    revision: u64,
    groups: Vec<GroupForm>,
}

#[derive(Serialize, Deserialize)]
struct GroupForm {
    group: Group,
    complete_once: bool,
}

pub(super) fn write(meta: &Meta) -> serde_json::Result<Vec<u8>> {
    let groups = meta.groups.iter().map(|it| GroupForm {
        group: it.group.clone(),
        complete_once: it.complete_once,
    });
    serde_json::to_vec(&MetaForm {
        uid: meta.uid.clone(),
        epoch: (meta.epoch.counter, meta.epoch.random),
        revision: meta.revision,
        groups: groups.collect(),
    })
}

pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Meta> {
    let form: MetaForm = serde_json::from_slice(bytes)?;
    let (counter, random) = form.epoch;
    let groups = form.groups.into_iter().map(|it| GroupRecord {
        group: it.group,
        complete_once: it.complete_once,
    });
    Ok(Meta {
        uid: form.uid,
        epoch: Epoch { counter, random },
        revision: form.revision,
        groups: groups.collect(),
    })
}
