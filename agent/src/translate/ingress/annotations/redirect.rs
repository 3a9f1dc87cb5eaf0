//! `http-to-https`, `http-redirect` and `http-redirect-code`: the plugin `redirect`.

use serde_json::json;

use super::reader::Reader;
use super::{known, value};

/// Codes that redirect, as the documentation of both lines has them.
const CODES: std::ops::RangeInclusive<u32> = 301..=308;

/// What is answered where no code is given, or one that is none: 301, as both lines do (the plugin's default is 302).
const MOVED_PERMANENTLY: u32 = 301;

pub(super) fn read(reader: &mut Reader<'_>) {
    if reader.guarding_flag(known::HTTP_TO_HTTPS) {
        let others = [known::HTTP_REDIRECT, known::HTTP_REDIRECT_CODE];
        reader.all_idle(&others, "beside http-to-https, which goes first");
        return reader.plugin("redirect", json!({"http_to_https": true}));
    }
    let Some(uri) = reader.text(known::HTTP_REDIRECT) else {
        return reader.all_idle(&[known::HTTP_REDIRECT_CODE], "without http-redirect");
    };
    if let Err(message) = check(uri) {
        return reader.refuse(known::HTTP_REDIRECT, message);
    }
    let code = code(reader);
    reader.plugin("redirect", json!({"uri": uri, "ret_code": code}));
}

/// At least two characters, and something that is not a bare backslash: what the plugin's schema wants.
fn check(uri: &str) -> Result<(), String> {
    value::line(uri)?;
    if uri.chars().count() < 2 || uri.chars().all(|character| character == '\\') {
        return Err(format!(
            "{} is too short for a target: a path or an address is needed, as /new$request_uri or https://a.example.com/",
            value::shown(uri)
        ));
    }
    Ok(())
}

fn code(reader: &mut Reader<'_>) -> u32 {
    let Some(text) = reader.text(known::HTTP_REDIRECT_CODE) else {
        return MOVED_PERMANENTLY;
    };
    match value::number(text).filter(|code| CODES.contains(code)) {
        Some(code) => code,
        None => {
            let message = format!(
                "{} is not between {} and {}; redirects are answered with {MOVED_PERMANENTLY}",
                value::shown(text),
                CODES.start(),
                CODES.end()
            );
            reader.leave_out(known::HTTP_REDIRECT_CODE, message);
            MOVED_PERMANENTLY
        }
    }
}
