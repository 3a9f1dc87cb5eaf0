//! Query parameters, checked by name.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use hubline::model::ClusterId;

use super::refusal::Refusal;

/// Parameters of a request; each at most once.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Takes those that are allowed and refuses all others.
    pub(super) fn read(uri: &Uri, allowed: &[&str]) -> Result<Self, Refusal> {
        let refuse = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, "UnknownParameter", reason, allowed);
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| refuse("the query is not of the form name=value&name=value".to_owned()))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if !allowed.contains(&name.as_str()) {
                return Err(refuse(format!("parameter {name:?} is unknown here")));
            }
            if parameters.insert(name.clone(), value).is_some() {
                return Err(refuse(format!("parameter {name:?} is given twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// One parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The parameter `cluster`.
    pub(super) fn cluster(&self) -> Result<Option<ClusterId>, Refusal> {
        self.text("cluster").map(cluster_id).transpose()
    }

    /// One parameter as one of some words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => Err(wrong_value(
                name,
                text,
                &choices.iter().map(|(word, _)| *word).collect::<Vec<_>>(),
            )),
        }
    }

    /// One parameter as a number from 1 to a limit.
    pub(super) fn number(&self, name: &str, limit: usize) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if (1..=limit).contains(&number) => Ok(Some(number)),
            _ => Err(wrong_value(name, text, &[format!("a number from 1 to {limit}")])),
        }
    }
}

/// A cluster's name as it stands in a request.
pub(super) fn cluster_id(text: &str) -> Result<ClusterId, Refusal> {
    ClusterId::new(text).map_err(|error| {
        let reason = error.to_string();
        Refusal::new(StatusCode::BAD_REQUEST, "InvalidValue", reason, &["a DNS-1123 label"])
    })
}

fn wrong_value<S: ToString>(name: &str, text: &str, allowed: &[S]) -> Refusal {
    let reason = format!("parameter {name:?} has the value {text:?}, which is not allowed");
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidValue", reason, allowed)
}
