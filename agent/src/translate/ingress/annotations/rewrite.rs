//! `rewrite-target*`: the plugin `proxy-rewrite`.
//!
//! They decide what a request reaches at the backend: a value that is wrong is refused, since without the rewrite
//! requests would reach something else there.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::{known, value};

/// Longest `uri` that the plugin's schema takes, in characters.
const LONGEST: usize = 4096;

pub(super) fn read(reader: &mut Reader<'_>) {
    let mut config = Map::new();
    match target(reader) {
        Ok(Some(uri)) => drop(config.insert("uri".to_owned(), json!(uri))),
        Ok(None) => {}
        Err(message) => reader.refuse(known::REWRITE_TARGET, message),
    }
    if let Some(pair) = pair(reader) {
        config.insert("regex_uri".to_owned(), json!(pair));
    }
    if config.len() > 1 {
        let regex = [known::REWRITE_TARGET_REGEX, known::REWRITE_TARGET_REGEX_TEMPLATE];
        reader.all_idle(&regex, "beside rewrite-target, which goes first");
        config.remove("regex_uri");
    }
    if !config.is_empty() {
        reader.plugin("proxy-rewrite", Value::Object(config));
    }
}

fn target<'a>(reader: &Reader<'a>) -> Result<Option<&'a str>, String> {
    let Some(uri) = reader.text(known::REWRITE_TARGET) else {
        return Ok(None);
    };
    value::line(uri)?;
    if !uri.starts_with('/') {
        return Err(format!("{} does not begin with \"/\"", value::shown(uri)));
    }
    if uri.chars().count() > LONGEST {
        return Err(format!("has more than {LONGEST} characters"));
    }
    Ok(Some(uri))
}

/// Expression and template, which need each other.
fn pair<'a>(reader: &mut Reader<'a>) -> Option<[&'a str; 2]> {
    let (regex, template) = (known::REWRITE_TARGET_REGEX, known::REWRITE_TARGET_REGEX_TEMPLATE);
    match (reader.text(regex), reader.text(template)) {
        (Some(pattern), Some(replacement)) => {
            let checked = value::regex(pattern).map_err(|message| (regex, message));
            let checked = checked.and_then(|_| value::line(replacement).map_err(|message| (template, message)));
            match checked {
                Ok(_) => return Some([pattern, replacement]),
                Err((name, message)) => reader.refuse(name, message),
            }
        }
        (Some(_), None) => reader.refuse(regex, format!("needs {template} beside it")),
        (None, Some(_)) => reader.refuse(template, format!("needs {regex} beside it")),
        (None, None) => {}
    }
    None
}
