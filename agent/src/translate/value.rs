//! The forms that values have.

use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;

/// A value for a message, cut where it is long.
pub(in crate::translate) fn shown(text: &str) -> String {
    // 80: a line of a terminal.
    let cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() {
        format!("{cut:?}...")
    } else {
        format!("{cut:?}")
    }
}

pub(in crate::translate) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(format!("{} is neither \"true\" nor \"false\"", shown(other))),
    }
}

/// Digits alone: no sign, no blanks.
pub(in crate::translate) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// A name of a header or method: a token of RFC 9110, section 5.6.2.
pub(in crate::translate) fn token(text: &str) -> Result<String, String> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(known) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} is no name: letters, digits and !#$%&'*+-.^_`|~ are allowed",
        shown(text)
    ))
}

/// An IP address, or a network as `10.0.0.0/8`; bits behind the prefix may be set.
pub(in crate::translate) fn network(text: &str) -> Result<String, String> {
    let wrong = || format!("{} is no IP address and no network as 10.0.0.0/8", shown(text));
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let parsed: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if parsed.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix else {
        return Ok(text.to_owned());
    };
    let canonical = prefix == "0" || !prefix.starts_with('0');
    if !canonical || number(prefix).is_none_or(|prefix| prefix > bits) {
        return Err(wrong());
    }
    // The schema's pattern for networks of IPv6 knows no dots.
    if parsed.is_ipv6() && address.contains('.') {
        return Err(format!("{}: write the IPv6 address without dots", shown(text)));
    }
    Ok(text.to_owned())
}

/// A regular expression, as far as can be told without PCRE itself.
pub(in crate::translate) fn regex(text: &str) -> Result<String, String> {
    match fancy_regex::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim();
            Err(format!("{} is no regular expression: {}", shown(text), shown(reason)))
        }
    }
}

/// Text that may stand in a line of a request's or an answer's head.
pub(in crate::translate) fn line(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err(format!("{} has a control character", shown(text)));
    }
    Ok(text.to_owned())
}

/// A duration as Go writes it, as `5s` or `1m30s`; never negative.
pub(in crate::translate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.trim().parse::<SignedDuration>().ok();
    let parsed = parsed.and_then(|duration| Duration::try_from(duration).ok());
    parsed.ok_or_else(|| format!("{} is no duration as 5s, 500ms or 1m30s", shown(text)))
}
