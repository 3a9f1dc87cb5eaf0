//! Plugins that answer by themselves: `fault-injection` (aborts), `ip-restriction` and `redirect`, in the order in which
//! APISIX runs them. Delays, percentages, `regex_uri` of redirects and messages are not looked at.

use ipnet::IpNet;
use serde_json::Value;

use super::plugins::{Layers, Plugin};
use crate::apisix::expression::{Expression, network};

/// An answer without a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) message: Option<String>,
}

impl Answer {
    pub(super) fn plain(status: u16) -> Self {
        Self {
            status,
            location: None,
            message: None,
        }
    }

    pub(super) fn with_message(status: u16, message: &str) -> Self {
        Self {
            message: Some(message.to_owned()),
            ..Self::plain(status)
        }
    }
}

/// The three, of one object.
#[derive(Debug, Default)]
pub(super) struct Answers {
    abort: Option<Plugin<Abort>>,
    restriction: Option<Plugin<Restriction>>,
    redirect: Option<Plugin<Redirect>>,
}

type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Answers {
    pub(super) fn new(plugins: &Value) -> Self {
        Self {
            abort: Plugin::named(plugins, "fault-injection", Abort::new),
            restriction: Plugin::named(plugins, "ip-restriction", Restriction::new),
            redirect: Plugin::named(plugins, "redirect", Redirect::new),
        }
    }
}

/// What `fault-injection` answers, which runs before it is known who calls.
pub(super) fn abort(layers: &Layers<'_>, variable: Variable<'_>) -> Option<Answer> {
    let plugin = layers.first(|plugins| plugins.answers.abort.as_ref())?;
    plugin.running(variable)?.answer(variable)
}

/// What the others answer, if any does.
pub(super) fn answer(layers: &Layers<'_>, variable: Variable<'_>) -> Option<Answer> {
    let restriction = || {
        let plugin = layers.first(|plugins| plugins.answers.restriction.as_ref())?;
        plugin.running(variable)?.answer(variable)
    };
    let redirect = || {
        let plugin = layers.first(|plugins| plugins.answers.redirect.as_ref())?;
        plugin.running(variable)?.answer(variable)
    };
    restriction().or_else(redirect)
}

#[derive(Debug)]
struct Abort {
    status: Option<u16>,
    /// any of them; none means always
    conditions: Option<Vec<Expression>>,
}

impl Abort {
    fn new(configuration: &Value) -> Self {
        let abort = &configuration["abort"];
        let conditions = abort["vars"].as_array();
        Self {
            status: status(&abort["http_status"]),
            conditions: conditions.map(|all| all.iter().filter_map(|one| Expression::compile(one).ok()).collect()),
        }
    }

    fn answer(&self, variable: Variable<'_>) -> Option<Answer> {
        let conditions = self.conditions.as_ref();
        let meant = conditions.is_none_or(|all| all.iter().any(|one| one.holds(variable)));
        self.status.filter(|_| meant).map(Answer::plain)
    }
}

#[derive(Debug)]
struct Restriction {
    allowed: Option<Vec<IpNet>>,
    blocked: Option<Vec<IpNet>>,
    status: u16,
}

impl Restriction {
    fn new(configuration: &Value) -> Self {
        let networks = |field: &str| {
            let texts = configuration[field].as_array()?.iter().filter_map(Value::as_str);
            Some(texts.filter_map(network).collect())
        };
        Self {
            allowed: networks("whitelist"),
            blocked: networks("blacklist"),
            status: status(&configuration["response_code"]).unwrap_or(403),
        }
    }

    fn answer(&self, variable: Variable<'_>) -> Option<Answer> {
        let address: std::net::IpAddr = variable("remote_addr")?.parse().ok()?;
        let among = |networks: &Vec<IpNet>| networks.iter().any(|network| network.contains(&address));
        let refused = self.blocked.as_ref().is_some_and(among) || !self.allowed.as_ref().is_none_or(among);
        refused.then(|| Answer::plain(self.status))
    }
}

#[derive(Debug)]
struct Redirect {
    to_https: bool,
    uri: Option<String>,
    status: u16,
}

impl Redirect {
    fn new(configuration: &Value) -> Self {
        Self {
            to_https: configuration["http_to_https"] == true,
            uri: configuration["uri"].as_str().map(str::to_owned),
            status: status(&configuration["ret_code"]).unwrap_or(302),
        }
    }

    fn answer(&self, variable: Variable<'_>) -> Option<Answer> {
        let value = |name: &str| variable(name).unwrap_or_default();
        if self.to_https {
            let location = format!("https://{}{}", value("host"), value("request_uri"));
            let status = if matches!(&*value("request_method"), "GET" | "HEAD") {
                301
            } else {
                308
            };
            return (value("scheme") == "http").then_some(Answer {
                location: Some(location),
                ..Answer::plain(status)
            });
        }
        // The longer name first, of which the other is the end.
        let uri = self.uri.as_ref()?.replace("$request_uri", &value("request_uri"));
        Some(Answer {
            location: Some(uri.replace("$uri", &value("uri"))),
            ..Answer::plain(self.status)
        })
    }
}

pub(super) fn status(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|status| u16::try_from(status).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::plugins::Plugins;
    use super::*;

    fn answered(plugins: &Value, method: &str, scheme: &str) -> Option<(u16, Option<String>)> {
        let plugins = Plugins::new(&json!({"plugins": plugins}));
        let variable = |name: &str| {
            let value = match name {
                "request_method" => method,
                "scheme" => scheme,
                "remote_addr" => "10.1.2.3",
                "host" => "a.example.com",
                "uri" => "/x",
                "request_uri" => "/x?y=1",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let layers = Layers::from_iter([&plugins]);
        let answer = abort(&layers, &variable).or_else(|| answer(&layers, &variable))?;
        Some((answer.status, answer.location))
    }

    #[test]
    fn plugins_answer_in_their_order() {
        let abort = |vars: Value| json!({"fault-injection": {"abort": {"http_status": 405, "vars": vars}}});
        let to = |status, location: &str| Some((status, Some(location.to_owned())));
        let table = [
            (json!({"cors": {}}), None),
            (
                json!({"fault-injection": {"abort": {"http_status": 503}}}),
                Some((503, None)),
            ),
            (
                abort(json!([[["request_method", "!", "in", ["GET"]]]])),
                Some((405, None)),
            ),
            (abort(json!([[["request_method", "in", ["GET"]]]])), None),
            (json!({"ip-restriction": {"whitelist": ["10.0.0.0/8"]}}), None),
            (
                json!({"ip-restriction": {"whitelist": ["192.0.2.1"]}}),
                Some((403, None)),
            ),
            (
                json!({"ip-restriction": {"blacklist": ["10.1.2.3"]}}),
                Some((403, None)),
            ),
            (
                json!({"redirect": {"http_to_https": true}}),
                to(308, "https://a.example.com/x?y=1"),
            ),
            (json!({"redirect": {"uri": "/y$uri", "ret_code": 301}}), to(301, "/y/x")),
            (
                json!({"redirect": {"uri": "/z"}, "ip-restriction": {"blacklist": ["::/0", "0.0.0.0/0"]}}),
                Some((403, None)),
            ),
        ];
        for (plugins, wanted) in table {
            assert_eq!(answered(&plugins, "POST", "http"), wanted, "{plugins}");
        }
        let to_https = json!({"redirect": {"http_to_https": true}});
        assert_eq!(answered(&to_https, "GET", "https"), None);
        assert_eq!(answered(&to_https, "GET", "http").map(|(status, _)| status), Some(301));
    }
}
