//! Health checks, both ways.

use super::super::{WireError, proto as p};
use super::decode::{exactly, optional_port, text};
use crate::model as m;

type Result<T> = std::result::Result<T, WireError>;

pub(super) fn encode(checks: &m::HealthChecks) -> p::HealthChecks {
    p::HealthChecks {
        active: Some(encode_active(&checks.active)),
        passive: checks.passive.as_ref().map(|passive| p::PassiveChecks {
            protocol: encode_protocol(passive.protocol),
            healthy: Some(encode_healthy(&passive.healthy)),
            unhealthy: Some(encode_unhealthy(&passive.unhealthy)),
        }),
    }
}

fn encode_active(active: &m::ActiveChecks) -> p::ActiveChecks {
    p::ActiveChecks {
        protocol: encode_protocol(active.protocol),
        timeout_ms: active.timeout_ms,
        concurrency: active.concurrency,
        host: active.host.clone().unwrap_or_default(),
        port: active.port.map_or(0, |port| u32::from(port.get())),
        path: active.path.clone().unwrap_or_default(),
        headers: active.headers.clone(),
        insecure: active.insecure,
        healthy: Some(encode_healthy(&active.healthy)),
        unhealthy: Some(encode_unhealthy(&active.unhealthy)),
    }
}

fn encode_protocol(protocol: m::CheckProtocol) -> i32 {
    match protocol {
        m::CheckProtocol::Http => p::CheckProtocol::Http.into(),
        m::CheckProtocol::Https => p::CheckProtocol::Https.into(),
        m::CheckProtocol::Tcp => p::CheckProtocol::Tcp.into(),
    }
}

fn encode_healthy(healthy: &m::Healthy) -> p::Healthy {
    p::Healthy {
        interval_seconds: healthy.interval_seconds,
        statuses: healthy.statuses.iter().map(|status| u32::from(*status)).collect(),
        successes: healthy.successes.map(u32::from),
    }
}

fn encode_unhealthy(unhealthy: &m::Unhealthy) -> p::Unhealthy {
    p::Unhealthy {
        interval_seconds: unhealthy.interval_seconds,
        statuses: unhealthy.statuses.iter().map(|status| u32::from(*status)).collect(),
        http_failures: unhealthy.http_failures.map(u32::from),
        tcp_failures: unhealthy.tcp_failures.map(u32::from),
        timeouts: unhealthy.timeouts.map(u32::from),
    }
}

pub(super) fn decode(checks: p::HealthChecks) -> Result<m::HealthChecks> {
    let active = checks
        .active
        .ok_or_else(|| WireError::missing("service.settings.checks.active"))?;
    Ok(m::HealthChecks {
        active: decode_active(active)?,
        passive: checks.passive.map(decode_passive).transpose()?,
    })
}

fn decode_active(active: p::ActiveChecks) -> Result<m::ActiveChecks> {
    Ok(m::ActiveChecks {
        protocol: decode_protocol(active.protocol)?,
        timeout_ms: active.timeout_ms,
        concurrency: active.concurrency,
        host: text(active.host),
        port: optional_port("service.settings.checks.active.port", active.port)?,
        path: text(active.path),
        headers: active.headers,
        insecure: active.insecure,
        healthy: decode_healthy(active.healthy.unwrap_or_default())?,
        unhealthy: decode_unhealthy(active.unhealthy.unwrap_or_default())?,
    })
}

fn decode_passive(passive: p::PassiveChecks) -> Result<m::PassiveChecks> {
    Ok(m::PassiveChecks {
        protocol: decode_protocol(passive.protocol)?,
        healthy: decode_healthy(passive.healthy.unwrap_or_default())?,
        unhealthy: decode_unhealthy(passive.unhealthy.unwrap_or_default())?,
    })
}

fn decode_protocol(number: i32) -> Result<m::CheckProtocol> {
    match p::CheckProtocol::try_from(number) {
        Ok(p::CheckProtocol::Unspecified | p::CheckProtocol::Http) => Ok(m::CheckProtocol::Http),
        Ok(p::CheckProtocol::Https) => Ok(m::CheckProtocol::Https),
        Ok(p::CheckProtocol::Tcp) => Ok(m::CheckProtocol::Tcp),
        Err(_) => Err(WireError::field(
            "service.settings.checks.protocol",
            format!("{number} is not a protocol known here"),
        )),
    }
}

fn decode_healthy(healthy: p::Healthy) -> Result<m::Healthy> {
    Ok(m::Healthy {
        interval_seconds: healthy.interval_seconds,
        statuses: exactly(healthy.statuses, status)?,
        successes: count(healthy.successes)?,
    })
}

fn decode_unhealthy(unhealthy: p::Unhealthy) -> Result<m::Unhealthy> {
    Ok(m::Unhealthy {
        interval_seconds: unhealthy.interval_seconds,
        statuses: exactly(unhealthy.statuses, status)?,
        http_failures: count(unhealthy.http_failures)?,
        tcp_failures: count(unhealthy.tcp_failures)?,
        timeouts: count(unhealthy.timeouts)?,
    })
}

fn status(number: u32) -> Result<u16> {
    let wrong = |_| {
        WireError::field(
            "service.settings.checks.statuses",
            format!("{number} is no HTTP status"),
        )
    };
    u16::try_from(number).map_err(wrong)
}

fn count(number: Option<u32>) -> Result<Option<u8>> {
    let wrong = |_| {
        WireError::field(
            "service.settings.checks",
            "a number of checks in a row is above 255; APISIX takes 254 at most",
        )
    };
    number.map(u8::try_from).transpose().map_err(wrong)
}
