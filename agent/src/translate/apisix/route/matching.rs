//! Which requests a rule is for.

use hubline::model::{Comparison, Condition, HostName, PathMatch};

use super::super::Draft;
use crate::source::crd::v2::{HttpMatch, MatchExpression};
use crate::translate::value;

/// Methods that APISIX's schema knows.
const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE",
];

/// Said of a rule whose match cannot be expressed.
const LEFT_OUT: &str = "the rule is left out, since without this it would take requests that are not meant for it";

/// See the module.
pub(super) struct Matching {
    pub(super) hosts: Vec<HostName>,
    pub(super) paths: Vec<PathMatch>,
    pub(super) methods: Vec<String>,
    pub(super) conditions: Vec<Condition>,
}

/// Whatever is wrong here leaves the whole rule out.
pub(super) fn read(draft: &mut Draft<'_>, field: &str, matching: Option<&HttpMatch>) -> Result<Matching, ()> {
    let field = format!("{field}.match");
    let Some(matching) = matching.filter(|matching| !matching.paths.is_empty()) else {
        draft.wrong(
            format!("{field}.paths"),
            "names no path, so the rule takes no request; it is left out",
        );
        return Err(());
    };
    if matching.filter_func.as_deref().is_some_and(|text| !text.is_empty()) {
        let message = format!("functions in Lua are not supported, use exprs; {LEFT_OUT}");
        draft.wrong(format!("{field}.filter_func"), message);
        return Err(());
    }
    // All of them are read before any that is wrong counts, so that all is said at once.
    let hosts = each(draft, &format!("{field}.hosts"), &matching.hosts, |text| {
        HostName::new(text).map_err(|error| error.to_string())
    });
    let paths = each(draft, &format!("{field}.paths"), &matching.paths, |text| path(text));
    let methods = each(draft, &format!("{field}.methods"), &matching.methods, |text| {
        method(text)
    });
    let conditions = each(draft, &format!("{field}.exprs"), &matching.exprs, condition);
    let networks = each(draft, &format!("{field}.remoteAddrs"), &matching.remote_addrs, |text| {
        value::network(text)
    });
    let (hosts, paths, methods, mut conditions, networks) = (hosts?, paths?, methods?, conditions?, networks?);
    if !networks.is_empty() {
        let comparison = Comparison {
            variable: "remote_addr".to_owned(),
            operator: "ipmatch".to_owned(),
            negated: false,
            values: networks,
        };
        conditions.push(comparison.into());
    }
    conditions.sort();
    conditions.dedup();
    Ok(Matching {
        hosts,
        paths,
        methods,
        conditions,
    })
}

/// All of a list, sorted; reports each that is wrong.
fn each<S, T: Ord>(
    draft: &mut Draft<'_>,
    field: &str,
    list: &[S],
    read: impl Fn(&S) -> Result<T, String>,
) -> Result<Vec<T>, ()> {
    let mut all = Vec::with_capacity(list.len());
    let mut wrong = false;
    for (at, item) in list.iter().enumerate() {
        match read(item) {
            Ok(item) => all.push(item),
            Err(message) => {
                draft.wrong(format!("{field}[{at}]"), format!("{message}; {LEFT_OUT}"));
                wrong = true;
            }
        }
    }
    all.sort();
    all.dedup();
    if wrong { Err(()) } else { Ok(all) }
}

fn path(text: &str) -> Result<PathMatch, String> {
    if text.starts_with('/') {
        return Ok(PathMatch::Pattern(text.to_owned()));
    }
    Err(format!("{} is no path: one begins with /", value::shown(text)))
}

fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    if METHODS.contains(&upper.as_str()) {
        return Ok(upper);
    }
    Err(format!("{} is none of {}", value::shown(text), METHODS.join(", ")))
}

fn condition(expression: &MatchExpression) -> Result<Condition, String> {
    let (operator, negated) = operator(&expression.op)?;
    let values = match (operator, &expression.set, &expression.value) {
        ("in", Some(set), _) if !set.is_empty() => set.clone(),
        ("in", _, _) => return Err(format!("{} needs a set of values", expression.op)),
        (_, _, Some(value)) => vec![value.clone()],
        (_, _, None) => return Err(format!("{} needs a value", expression.op)),
    };
    let comparison = Comparison {
        variable: variable(expression)?,
        operator: operator.to_owned(),
        negated,
        values,
    };
    Ok(comparison.into())
}

/// As APISIX names it (`apisix-variable`).
fn variable(expression: &MatchExpression) -> Result<String, String> {
    let scope = expression.subject.scope.as_str();
    let name = expression.subject.name.as_deref().unwrap_or_default();
    if name.is_empty() && scope != "Path" {
        return Err(format!("subject of scope {scope} needs a name"));
    }
    Ok(match scope {
        "Header" => format!("http_{}", name.to_ascii_lowercase().replace('-', "_")),
        "Query" => format!("arg_{name}"),
        "Cookie" => format!("cookie_{name}"),
        "Path" => "uri".to_owned(),
        "Variable" => name.to_owned(),
        "Body" => format!("post_arg.{name}"),
        other => {
            let shown = value::shown(other);
            return Err(format!(
                "scope {shown} is none of Header, Query, Cookie, Path, Variable, Body"
            ));
        }
    })
}

fn operator(word: &str) -> Result<(&'static str, bool), String> {
    Ok(match word {
        "Equal" => ("==", false),
        "NotEqual" => ("~=", false),
        "GreaterThan" => (">", false),
        "GreaterThanEqual" => (">=", false),
        "LessThan" => ("<", false),
        "LessThanEqual" => ("<=", false),
        "In" => ("in", false),
        "NotIn" => ("in", true),
        "RegexMatch" => ("~~", false),
        "RegexNotMatch" => ("~~", true),
        "RegexMatchCaseInsensitive" => ("~*", false),
        "RegexNotMatchCaseInsensitive" => ("~*", true),
        other => {
            return Err(format!(
                "operator {} is none of Equal, NotEqual, GreaterThan, GreaterThanEqual, LessThan, LessThanEqual, In, \
                 NotIn, RegexMatch, RegexNotMatch, RegexMatchCaseInsensitive, RegexNotMatchCaseInsensitive",
                value::shown(other)
            ));
        }
    })
}
