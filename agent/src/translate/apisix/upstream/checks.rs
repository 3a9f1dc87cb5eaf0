//! Health checks. A value that is wrong is left out, and APISIX's own default counts.

use std::time::Duration;

use hubline::model::{ActiveChecks, CheckProtocol, HealthChecks, Healthy, PassiveChecks, Port, Unhealthy};

use super::super::Draft;
use crate::source::crd::{
    ActiveHealthCheck, ActiveHealthy, ActiveUnhealthy, HealthCheck, IntegerOrText, NumberOrText, PassiveHealthCheck,
};
use crate::translate::value;

/// A number of seconds beyond this is one of nanoseconds: apisix-ingress-controller documents seconds and reads
/// nanoseconds, so that both are found in users' objects.
const LONGEST_SECONDS: f64 = 1_000_000.0;

pub(super) fn read(draft: &mut Draft<'_>, field: &str, check: &HealthCheck) -> HealthChecks {
    HealthChecks {
        active: active(draft, &format!("{field}.active"), &check.active),
        passive: check
            .passive
            .as_ref()
            .map(|it| passive(draft, &format!("{field}.passive"), it)),
    }
}

fn active(draft: &mut Draft<'_>, field: &str, check: &ActiveHealthCheck) -> ActiveChecks {
    let host = "is neither a DNS name nor an IP address";
    let path = "is no path: one begins with / and has no blanks";
    ActiveChecks {
        protocol: protocol(draft, field, check.check_type.as_deref()),
        timeout_ms: timeout(draft, field, check.timeout.as_ref()),
        concurrency: whole(
            draft,
            &format!("{field}.concurrency"),
            check.concurrency,
            1,
            i64::from(u32::MAX),
        ),
        host: written(draft, &format!("{field}.host"), check.host.as_deref(), host, is_host),
        port: port(draft, field, check.port),
        path: written(
            draft,
            &format!("{field}.httpPath"),
            check.http_path.as_deref(),
            path,
            is_path,
        ),
        headers: headers(draft, &format!("{field}.requestHeaders"), &check.request_headers),
        insecure: check.strict_tls == Some(false),
        healthy: check
            .healthy
            .as_ref()
            .map(|it| healthy(draft, &format!("{field}.healthy"), it))
            .unwrap_or_default(),
        unhealthy: check
            .unhealthy
            .as_ref()
            .map(|it| unhealthy(draft, &format!("{field}.unhealthy"), it))
            .unwrap_or_default(),
    }
}

/// A text that is put into the check's request as it stands; one that cannot stand there is left out here, since the
/// hub would refuse the whole Service for it.
fn written(
    draft: &mut Draft<'_>,
    field: &str,
    given: Option<&str>,
    wrong: &str,
    fits: fn(&str) -> bool,
) -> Option<String> {
    let text = given.filter(|text| !text.is_empty())?;
    if fits(text) {
        return Some(text.to_owned());
    }
    draft.wrong(field, format!("{} {wrong}; it is left out", value::shown(text)));
    None
}

fn headers(draft: &mut Draft<'_>, field: &str, lines: &[String]) -> Vec<String> {
    let lines = lines.iter().enumerate().filter_map(|(at, line)| {
        let wrong = "is no header as \"Name: value\"";
        written(draft, &format!("{field}[{at}]"), Some(line), wrong, is_header)
    });
    lines.collect()
}

/// Whether it can stand in a Host header.
fn is_host(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte))
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_header(text: &str) -> bool {
    text.contains(':') && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn passive(draft: &mut Draft<'_>, field: &str, check: &PassiveHealthCheck) -> PassiveChecks {
    let healthy = check.healthy.as_ref().map(|it| {
        let field = format!("{field}.healthy");
        Healthy {
            interval_seconds: None,
            statuses: statuses(draft, &field, &it.http_codes),
            successes: whole(draft, &format!("{field}.successes"), it.successes, 0, 254),
        }
    });
    let unhealthy = check.unhealthy.as_ref().map(|it| {
        let field = format!("{field}.unhealthy");
        let failures = Failures {
            http: it.http_failures,
            tcp: it.tcp_failures,
            timeouts: it.timeouts.or_else(|| number(it.timeout.as_ref())),
        };
        failures.read(draft, &field, &it.http_codes, 0)
    });
    PassiveChecks {
        protocol: protocol(draft, field, check.check_type.as_deref()),
        healthy: healthy.unwrap_or_default(),
        unhealthy: unhealthy.unwrap_or_default(),
    }
}

fn healthy(draft: &mut Draft<'_>, field: &str, rule: &ActiveHealthy) -> Healthy {
    Healthy {
        interval_seconds: interval(draft, field, rule.interval.as_deref()),
        statuses: statuses(draft, field, &rule.http_codes),
        successes: whole(draft, &format!("{field}.successes"), rule.successes, 1, 254),
    }
}

fn unhealthy(draft: &mut Draft<'_>, field: &str, rule: &ActiveUnhealthy) -> Unhealthy {
    let failures = Failures {
        http: rule.http_failures,
        tcp: rule.tcp_failures,
        timeouts: rule.timeouts.or_else(|| number(rule.timeout.as_ref())),
    };
    Unhealthy {
        interval_seconds: interval(draft, field, rule.interval.as_deref()),
        ..failures.read(draft, field, &rule.http_codes, 1)
    }
}

/// How many of what take a node out.
struct Failures {
    http: Option<i64>,
    tcp: Option<i64>,
    timeouts: Option<i64>,
}

impl Failures {
    fn read(&self, draft: &mut Draft<'_>, field: &str, codes: &[i64], least: i64) -> Unhealthy {
        Unhealthy {
            interval_seconds: None,
            statuses: statuses(draft, field, codes),
            http_failures: whole(draft, &format!("{field}.httpFailures"), self.http, least, 254),
            tcp_failures: whole(draft, &format!("{field}.tcpFailures"), self.tcp, least, 254),
            timeouts: whole(draft, &format!("{field}.timeout"), self.timeouts, least, 254),
        }
    }
}

fn number(value: Option<&IntegerOrText>) -> Option<i64> {
    match value? {
        IntegerOrText::Integer(number) => Some(*number),
        IntegerOrText::Text(text) => text.parse().ok(),
    }
}

fn protocol(draft: &mut Draft<'_>, field: &str, text: Option<&str>) -> CheckProtocol {
    match text.unwrap_or_default() {
        "http" | "" => CheckProtocol::Http,
        "https" => CheckProtocol::Https,
        "tcp" => CheckProtocol::Tcp,
        other => {
            let message = format!("{} is none of http, https, tcp; http is taken", value::shown(other));
            draft.wrong(format!("{field}.type"), message);
            CheckProtocol::Http
        }
    }
}

/// Milliseconds.
fn timeout(draft: &mut Draft<'_>, field: &str, given: Option<&NumberOrText>) -> Option<u64> {
    let duration = match given? {
        NumberOrText::Number(number) if *number > LONGEST_SECONDS => Duration::try_from_secs_f64(number / 1e9).ok(),
        NumberOrText::Number(number) => Duration::try_from_secs_f64(*number).ok(),
        NumberOrText::Text(text) => value::duration(text).ok(),
    };
    let milliseconds = duration.and_then(|it| u64::try_from(it.as_millis()).ok());
    let read = milliseconds.filter(|milliseconds| *milliseconds > 0);
    if read.is_none() && !matches!(given, Some(NumberOrText::Number(0.0))) {
        let message = "is no time in seconds and no duration as 5s; it is left out";
        draft.wrong(format!("{field}.timeout"), message);
    }
    read
}

/// Whole seconds, at least one.
fn interval(draft: &mut Draft<'_>, field: &str, text: Option<&str>) -> Option<u32> {
    let text = text.filter(|text| !text.is_empty())?;
    let duration = value::duration(text).ok();
    let whole = duration.filter(|it| it.subsec_nanos() == 0 && it.as_secs() > 0);
    let seconds = whole.and_then(|it| u32::try_from(it.as_secs()).ok());
    if seconds.is_none() {
        let message = format!(
            "{} is no whole number of seconds from 1s on; it is left out",
            value::shown(text)
        );
        draft.wrong(format!("{field}.interval"), message);
    }
    seconds
}

fn port(draft: &mut Draft<'_>, field: &str, port: Option<i64>) -> Option<Port> {
    let number = port?;
    match Port::new(number) {
        Ok(port) => Some(port),
        Err(error) => {
            draft.wrong(format!("{field}.port"), format!("{error}; it is left out"));
            None
        }
    }
}

fn statuses(draft: &mut Draft<'_>, field: &str, codes: &[i64]) -> Vec<u16> {
    let mut good = Vec::with_capacity(codes.len());
    for (at, code) in codes.iter().enumerate() {
        match u16::try_from(*code).ok().filter(|code| (200..=599).contains(code)) {
            Some(code) => good.push(code),
            None => {
                let message = format!("{code} is not between 200 and 599; it is left out");
                draft.wrong(format!("{field}.httpCodes[{at}]"), message);
            }
        }
    }
    good.sort_unstable();
    good.dedup();
    good
}

/// A whole number; 0 of those that begin with 1 says nothing, as in Go.
fn whole<T: TryFrom<i64>>(draft: &mut Draft<'_>, field: &str, given: Option<i64>, least: i64, most: i64) -> Option<T> {
    let number = given.filter(|number| *number != 0 || least == 0)?;
    let read = Some(number).filter(|number| (least..=most).contains(number));
    let read = read.and_then(|number| T::try_from(number).ok());
    if read.is_none() {
        draft.wrong(
            field,
            format!("{number} is not between {least} and {most}; it is left out"),
        );
    }
    read
}
