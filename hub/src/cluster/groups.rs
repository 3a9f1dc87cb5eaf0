//! What the agent says of whole groups: complete, unknown, or nothing.

use std::collections::BTreeMap;

use hubline::model::{Completeness, Group, GroupState};
use hubline::wire::GroupInventory;

use super::event::GroupRecord;

/// What is known of each group.
#[derive(Debug, Default)]
pub(super) struct Groups {
    records: BTreeMap<Group, Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// As last said; none: nothing was said of it since the hub's start, or by the last agent.
    said: Option<Completeness>,
    complete_once: bool,
}

impl Groups {
    pub(super) fn restored(records: Vec<GroupRecord>) -> Self {
        let record = |it: GroupRecord| {
            let record = Record {
                said: None,
                complete_once: it.complete_once,
            };
            (it.group, record)
        };
        Self {
            records: records.into_iter().map(record).collect(),
        }
    }

    /// The agent says what it can speak of. A group that it does not mention (an older agent, a kind that is no
    /// longer served) is as good as unknown.
    pub(super) fn said(&mut self, inventories: &[GroupInventory]) {
        for record in self.records.values_mut() {
            record.said = None;
        }
        for it in inventories {
            self.records.entry(it.group.clone()).or_default().said = Some(it.completeness.clone());
        }
        self.records
            .retain(|_, record| record.said.is_some() || record.complete_once);
    }

    /// The hub has all that the agent has: what is complete there is complete here.
    pub(super) fn synchronized(&mut self) {
        for record in self.records.values_mut() {
            record.complete_once |= record.said == Some(Completeness::Complete);
        }
    }

    /// Why a group could not be listed or read whole, if its agent says so.
    pub(super) fn unknown(&self, group: &Group) -> Option<&str> {
        match self.records.get(group)?.said.as_ref()? {
            Completeness::Unknown { reason } => Some(reason),
            Completeness::Complete => None,
        }
    }

    /// The groups of which the agent says that they are complete.
    pub(super) fn complete(&self) -> impl Iterator<Item = &Group> {
        let complete = |(_, record): &(&Group, &Record)| record.said == Some(Completeness::Complete);
        self.records.iter().filter(complete).map(|(group, _)| group)
    }

    /// Whether each group was complete at some time, and there is one.
    pub(super) fn settled(&self) -> bool {
        !self.records.is_empty() && self.records.values().all(|record| record.complete_once)
    }

    pub(super) fn any_complete_once(&self) -> bool {
        self.records.values().any(|record| record.complete_once)
    }

    pub(super) fn states(&self) -> Vec<GroupState> {
        let state = |(group, record): (&Group, &Record)| {
            record.said.as_ref().map(|completeness| GroupState {
                group: group.clone(),
                completeness: completeness.clone(),
            })
        };
        self.records.iter().filter_map(state).collect()
    }

    pub(super) fn records(&self) -> Vec<GroupRecord> {
        let record = |(group, record): (&Group, &Record)| GroupRecord {
            group: group.clone(),
            complete_once: record.complete_once,
        };
        self.records.iter().map(record).collect()
    }
}
