//! From the configuration to the options of each part.

use std::sync::Arc;

use super::Origin;
use crate::api::{WriteBody, WriteLog};
use crate::config::reload::Loader;
use crate::config::{HubConfig, Invalid};
use crate::ingest::Settings;
use crate::persist::StoreOptions;
use crate::plan::PlanOptions;
use crate::plan::id::{IdError, Prefix};
use crate::sink::admin::{AdminOptions, ApiKey};
use crate::sink::audit::{WriteRecord, Writes};
use crate::sink::driver::DriverOptions;
use crate::sink::schedule::Pace;
use crate::sink::{Ownership, TargetId};

pub(super) fn loader(origin: Origin) -> Loader {
    Arc::new(move || {
        let config = HubConfig::load(origin.file.as_deref(), origin.flags.clone())?;
        Ok(config.with_identities()?)
    })
}

pub(super) fn ingest(config: &HubConfig) -> Settings {
    Settings {
        hub: config.hub.clone(),
        max_resources: config.tuning.max_resources,
        ..Settings::default()
    }
}

pub(super) fn store(config: &HubConfig) -> StoreOptions {
    StoreOptions {
        data_dir: config.data_dir.clone(),
        key_file: config.key_file.clone(),
    }
}

pub(super) fn plan(config: &HubConfig) -> Result<PlanOptions, IdError> {
    let prefix = Prefix::new(&config.id_prefix)?;
    Ok(PlanOptions {
        prefix,
        hub: config.hub.clone(),
        probes: !config.target.gateways.is_empty(),
        ..PlanOptions::default()
    })
}

pub(super) fn ownership(config: &HubConfig) -> Ownership {
    Ownership {
        prefix: config.id_prefix.clone(),
        hub: config.hub.clone(),
    }
}

pub(super) fn admin(config: &HubConfig) -> Result<AdminOptions, Invalid> {
    let admin = &config.target.admin;
    let key = match &admin.key_file {
        Some(file) => ApiKey::File(file.clone()),
        None => ApiKey::Value(admin.read_key()?),
    };
    let target = TargetId(config.target.name.as_str().into());
    Ok(AdminOptions {
        ca_file: admin.ca.clone(),
        connections: config.tuning.connections as usize,
        ..AdminOptions::standard(target, admin.addresses.clone(), key)
    })
}

pub(super) fn driver(config: &HubConfig, ownership: Ownership) -> DriverOptions {
    let tuning = &config.tuning;
    let pace = Pace {
        grace: tuning.removal_grace,
        batch_interval: tuning.batch_interval,
        batch_size: tuning.batch_size as usize,
        burst_size: tuning.burst_size.get() as usize,
        burst_interval: tuning.burst_interval,
        retry_min: tuning.retry_min,
        retry_max: tuning.retry_max,
        ..Pace::standard()
    };
    DriverOptions {
        pace,
        probe_interval: tuning.probe_interval,
        observe_interval: tuning.observe_interval,
        ..DriverOptions::standard(ownership)
    }
}

/// The API's reading of the sink's ring of writes.
pub(super) fn write_log(writes: Writes) -> WriteLog {
    Arc::new(move |limit| writes.recent().iter().rev().take(limit).map(write_body).collect())
}

fn write_body(record: &WriteRecord) -> WriteBody {
    let body = WriteBody::new(record.at, record.operation, &record.object, &record.causes);
    let body = body.answered(record.status, record.duration);
    if record.result == "ok" {
        body
    } else {
        body.failed(record.result)
    }
}

/// The APISIX instances that look at clusters, too.
pub(super) fn instances(config: &HubConfig) -> Vec<Arc<str>> {
    let gateways = config.target.gateways.iter();
    gateways.map(|address| address.to_string().into()).collect()
}

/// Their control APIs; addresses that are no URLs were refused with the configuration.
pub(super) fn controls(config: &HubConfig) -> Vec<reqwest::Url> {
    config
        .target
        .control
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect()
}
