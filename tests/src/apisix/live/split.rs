//! The plugin `traffic-split`: rules that send requests to other upstreams than the route's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::NoDecision;
use super::turns::Turns;
use super::upstream::{Timeouts, Upstream};
use crate::apisix::expression::Expression;
use crate::apisix::references::id_text;

/// A `traffic-split` in force.
#[derive(Debug)]
pub(crate) struct TrafficSplit {
    rules: Vec<Rule>,
}

/// Where a rule sends a request.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// to the upstream of the route itself
    Own,
    Id(String),
    Inline(Arc<Upstream>),
}

#[derive(Debug)]
struct Rule {
    /// any of them suffices; without any, every request matches
    matches: Vec<Expression>,
    entries: Vec<Destination>,
    turns: Mutex<Turns>,
}

/// Of all three, unless the upstream inside the plugin says otherwise: not nginx's 60 s.
const INLINE_TIMEOUT: Duration = Duration::from_secs(15);

impl TrafficSplit {
    pub(super) fn new(configuration: &Value) -> Self {
        let rules = configuration["rules"].as_array().into_iter().flatten();
        Self {
            rules: rules.map(Rule::new).collect(),
        }
    }

    /// What the first rule that matches says; none if no rule does.
    ///
    /// # Errors
    /// If a rule that is looked at names an upstream that is not there, whether it matches or not.
    pub(super) fn choose(
        &self,
        variable: &dyn Fn(&str) -> Option<String>,
        upstreams: &HashMap<String, Arc<Upstream>>,
    ) -> Result<Option<Destination>, NoDecision> {
        for rule in &self.rules {
            if let Some(id) = rule.missing(upstreams) {
                return Err(NoDecision::SplitToNowhere(id.to_owned()));
            }
            if rule.matches(variable) {
                return Ok(Some(rule.next()));
            }
        }
        Ok(None)
    }
}

impl Rule {
    fn new(rule: &Value) -> Self {
        let matches = rule["match"].as_array().into_iter().flatten();
        let matches = matches.filter_map(|condition| Expression::compile(&condition["vars"]).ok());
        let own = [Value::Object(serde_json::Map::new())];
        let weighted = rule["weighted_upstreams"]
            .as_array()
            .map_or(own.as_slice(), Vec::as_slice);
        let weights = weighted.iter().map(|entry| entry["weight"].as_u64().unwrap_or(1));
        Self {
            matches: matches.collect(),
            turns: Mutex::new(Turns::new(weights)),
            entries: weighted.iter().map(Destination::new).collect(),
        }
    }

    fn missing(&self, upstreams: &HashMap<String, Arc<Upstream>>) -> Option<&str> {
        self.entries.iter().find_map(|entry| match entry {
            Destination::Id(id) if !upstreams.contains_key(id) => Some(id.as_str()),
            Destination::Id(_) | Destination::Own | Destination::Inline(_) => None,
        })
    }

    fn matches(&self, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        self.matches.is_empty() || self.matches.iter().any(|condition| condition.holds(variable))
    }

    fn next(&self) -> Destination {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let index = turns.next(|_| true, |_| true);
        let entry = index.and_then(|index| self.entries.get(index));
        entry.cloned().unwrap_or(Destination::Own)
    }
}

impl Destination {
    fn new(entry: &Value) -> Self {
        if let Some(id) = entry.get("upstream_id").and_then(id_text) {
            return Destination::Id(id);
        }
        entry.get("upstream").map_or(Destination::Own, |inline| {
            let timeouts = Timeouts::or(&inline["timeout"], INLINE_TIMEOUT);
            Destination::Inline(Arc::new(Upstream::with_timeouts(inline, timeouts)))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn upstreams() -> HashMap<String, Arc<Upstream>> {
        let upstream = |id: &str| (id.to_owned(), Arc::new(Upstream::new(&json!({"nodes": {}}))));
        ["a", "b", "c"].map(upstream).into()
    }

    /// Where these requests go, one letter each: `o` is the route's own, `-` nothing said, `!` 500.
    fn went(split: &TrafficSplit, route_id: &str, requests: usize) -> String {
        let variable = |name: &str| (name == "route_id").then(|| route_id.to_owned());
        let upstreams = upstreams();
        let mut went = String::new();
        for _ in 0..requests {
            went.push_str(&match split.choose(&variable, &upstreams) {
                Ok(Some(Destination::Own)) => "o".to_owned(),
                Ok(Some(Destination::Id(id))) => id,
                Ok(Some(Destination::Inline(_))) => "i".to_owned(),
                Ok(None) => "-".to_owned(),
                Err(_) => "!".to_owned(),
            });
        }
        went
    }

    fn rule(pattern: &str, weighted: &Value) -> Value {
        json!({"match": [{"vars": [["route_id", "~~", pattern]]}], "weighted_upstreams": weighted})
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let to = |id: &str| json!([{"upstream_id": id}]);
        let rules = json!({"rules": [rule("^(p-c1-|p-c7-)", &to("a")), rule("^p-", &to("b")),
            {"match": [{"vars": [["route_id", "==", "x"]]}, {"vars": [["route_id", "==", "y"]]}],
                "weighted_upstreams": to("c")}]});
        let split = TrafficSplit::new(&rules);
        for (route, wanted) in [("p-c7-x", "a"), ("p-c17-x", "b"), ("x", "c"), ("y", "c"), ("z", "-")] {
            assert_eq!(went(&split, route, 1), wanted, "{route}");
        }
    }

    #[test]
    fn weights_are_exact_and_an_empty_entry_is_the_routes_own() {
        let table = [
            (json!([{"upstream_id": "a", "weight": 3}, {"weight": 1}]), "aaoaaaoa"),
            (
                json!([{"upstream_id": "a", "weight": 0}, {"upstream_id": "b", "weight": 0}]),
                "abababab",
            ),
            (json!([{"upstream_id": "a", "weight": 0}, {"weight": 1}]), "oooooooo"),
            (json!([{"upstream": {"nodes": {}}}]), "iiiiiiii"),
        ];
        for (weighted, wanted) in table {
            let split = TrafficSplit::new(&json!({"rules": [rule(".", &weighted)]}));
            assert_eq!(went(&split, "r", 8), wanted, "{weighted}");
        }
    }

    #[test]
    fn without_conditions_everything_matches() {
        let weighted = json!([{"upstream_id": "a"}]);
        for condition in [json!(null), json!([]), json!([{}]), json!([{"vars": []}])] {
            let rules = json!({"rules": [{"match": condition, "weighted_upstreams": weighted}]});
            assert_eq!(went(&TrafficSplit::new(&rules), "r", 1), "a", "{rules}");
        }
        assert_eq!(went(&TrafficSplit::new(&json!({"rules": [{}]})), "r", 1), "o");
    }

    /// Rules behind the one that matches are not looked at, those before it are.
    #[test]
    fn a_missing_upstream_breaks_every_request_that_looks_at_its_rule() {
        let gone = rule("^gone$", &json!([{"upstream_id": "gone"}, {"weight": 1}]));
        let there = rule("^there$", &json!([{"upstream_id": "a"}]));
        let split = TrafficSplit::new(&json!({"rules": [there, gone]}));
        for (route, wanted) in [("there", "a"), ("gone", "!"), ("other", "!")] {
            assert_eq!(went(&split, route, 1), wanted, "{route}");
        }
    }
}
