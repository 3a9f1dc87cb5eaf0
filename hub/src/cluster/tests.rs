//! Tests of the state machine: an agent model that really counts its digests, rules, promises, random histories.

mod histories;
mod promises;
mod resume;
mod rules;
pub(crate) mod support;
