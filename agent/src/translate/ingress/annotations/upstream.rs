//! `upstream-*`: how services are spoken to.
//!
//! They belong to the upstream, so that a service has one for each way in which Ingresses want it spoken to. Timeouts
//! too, though a route can have its own: the hub bounds those of upstreams where a path may fail.

use hubline::model::{Scheme, Timeouts};

use super::reader::Reader;
use super::{known, value};
use crate::index::SettingsOverride;

/// A day, in seconds: what takes longer is no request.
const LONGEST: u32 = 86_400;

pub(super) fn settings(reader: &mut Reader<'_>) -> SettingsOverride {
    SettingsOverride {
        scheme: scheme(reader),
        retries: retries(reader),
        timeouts: timeouts(reader),
    }
}

/// A scheme that is not understood must not become plain http: what was to be encrypted would be sent in clear.
fn scheme(reader: &mut Reader<'_>) -> Option<Scheme> {
    let text = reader.text(known::UPSTREAM_SCHEME)?;
    let scheme = match text.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        "grpc" => Scheme::Grpc,
        "grpcs" => Scheme::Grpcs,
        _ => {
            let message = format!("{} is none of http, https, grpc, grpcs", value::shown(text));
            reader.refuse(known::UPSTREAM_SCHEME, message);
            return None;
        }
    };
    Some(scheme)
}

/// How many further nodes are tried; 0 is none.
fn retries(reader: &mut Reader<'_>) -> Option<u32> {
    let text = reader.text(known::UPSTREAM_RETRIES)?;
    let retries = value::number(text);
    if retries.is_none() {
        let message = format!("{} is no whole number from 0 on", value::shown(text));
        reader.leave_out(known::UPSTREAM_RETRIES, message);
    }
    retries
}

fn timeouts(reader: &mut Reader<'_>) -> Option<Timeouts> {
    let mut timeout = |name| milliseconds(reader, name);
    let timeouts = Timeouts {
        connect_ms: timeout(known::UPSTREAM_CONNECT_TIMEOUT),
        send_ms: timeout(known::UPSTREAM_SEND_TIMEOUT),
        read_ms: timeout(known::UPSTREAM_READ_TIMEOUT),
    };
    let Timeouts {
        connect_ms,
        send_ms,
        read_ms,
    } = timeouts;
    (connect_ms > 0 || send_ms > 0 || read_ms > 0).then_some(timeouts)
}

/// Whole seconds, with an `s` behind them or without; 0 when nothing is said.
fn milliseconds(reader: &mut Reader<'_>, name: &str) -> u64 {
    let Some(text) = reader.text(name) else { return 0 };
    let seconds = value::number(text.strip_suffix('s').unwrap_or(text));
    match seconds.filter(|seconds| (1..=LONGEST).contains(seconds)) {
        Some(seconds) => u64::from(seconds).saturating_mul(1000),
        None => {
            let message = format!(
                "{} is not between 1s and {LONGEST}s in whole seconds",
                value::shown(text)
            );
            reader.leave_out(name, message);
            0
        }
    }
}
