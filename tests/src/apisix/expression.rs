//! The expressions of `vars`: compiled with the error messages of lua-resty-expr, evaluated
//! against the variables of a request.

use std::net::IpAddr;

use ipnet::IpNet;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    /// all of them; or, negated, not all of them
    All(Vec<Expression>, bool),
    /// any of them; or, negated, none of them
    Any(Vec<Expression>, bool),
    Compare {
        variable: String,
        test: Test,
        negated: bool,
    },
}

/// What a variable is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Test {
    Equal(Value),
    Unequal(Value),
    Order(Order, Value),
    Matches(Option<Regex>),
    In(Vec<Value>),
    Addresses(Vec<IpNet>),
    /// an array variable contains it: no variable here is an array
    Has,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Expression {
    /// Compiles `vars`; the error is the real one's message.
    pub(crate) fn compile(rules: &Value) -> Result<Self, String> {
        let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
        match rules.first() {
            None => Ok(Expression::All(Vec::new(), false)),
            Some(Value::Array(_)) => compile(rules),
            Some(first) if is_logic(first) => compile(rules),
            Some(_) => Err("rule should be wrapped inside brackets".to_owned()),
        }
    }

    /// Whether the expression holds; `variable` gives the request's variables by name.
    pub(crate) fn holds(&self, variable: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Expression::All(parts, negated) => parts.iter().all(|part| part.holds(variable)) != *negated,
            Expression::Any(parts, negated) => parts.iter().any(|part| part.holds(variable)) != *negated,
            Expression::Compare {
                variable: name,
                test,
                negated,
            } => test.holds(variable(name).as_deref()) != *negated,
        }
    }
}

fn is_logic(word: &Value) -> bool {
    let word = word.as_str().map(str::to_uppercase);
    matches!(word.as_deref(), Some("AND" | "OR" | "!AND" | "!OR"))
}

fn compile(rules: &[Value]) -> Result<Expression, String> {
    let all = |rules: &[Value]| rules.iter().map(compile_nested).collect::<Result<Vec<_>, _>>();
    match rules.first() {
        None => Err("rule too short".to_owned()),
        Some(Value::Array(_)) => Ok(Expression::All(all(rules)?, false)),
        Some(word) if is_logic(word) => {
            if rules.len() <= 2 {
                return Err("rule too short".to_owned());
            }
            let parts = all(&rules[1..])?;
            let word = word.as_str().unwrap_or_default().to_uppercase();
            let negated = word.starts_with('!');
            Ok(if word.ends_with("AND") {
                Expression::All(parts, negated)
            } else {
                Expression::Any(parts, negated)
            })
        }
        Some(_) => compile_comparison(rules),
    }
}

fn compile_nested(rule: &Value) -> Result<Expression, String> {
    compile(rule.as_array().map(Vec::as_slice).unwrap_or_default())
}

fn compile_comparison(rules: &[Value]) -> Result<Expression, String> {
    let invalid = || "invalid expression".to_owned();
    let (variable, negated, operator, operand) = match rules {
        [variable, not, operator, operand] => {
            if not != "!" {
                return Err("bad 'not' expression".to_owned());
            }
            (variable, true, operator, operand)
        }
        [variable, operator, operand] => (variable, false, operator, operand),
        _ => return Err(invalid()),
    };
    let variable = variable.as_str().ok_or_else(invalid)?.to_owned();
    let operator = operator.as_str().ok_or_else(invalid)?.to_lowercase();
    let test = compile_test(&operator, operand)?;
    Ok(Expression::Compare {
        variable,
        test,
        negated,
    })
}

fn compile_test(operator: &str, operand: &Value) -> Result<Test, String> {
    let order = |order: Order| Test::Order(order, operand.clone());
    let items = || operand.as_array().cloned().unwrap_or_default();
    Ok(match operator {
        "==" => Test::Equal(operand.clone()),
        "~=" => Test::Unequal(operand.clone()),
        ">" => order(Order::Greater),
        ">=" => order(Order::GreaterOrEqual),
        "<" => order(Order::Less),
        "<=" => order(Order::LessOrEqual),
        "~~" => Test::Matches(regex(operand, false)),
        "~*" => Test::Matches(regex(operand, true)),
        "in" => Test::In(items()),
        "has" => Test::Has,
        "ipmatch" => Test::Addresses(addresses(operand)),
        _ => return Err(format!("invalid operator '{operator}'")),
    })
}

fn regex(pattern: &Value, ignore_case: bool) -> Option<Regex> {
    RegexBuilder::new(pattern.as_str()?)
        .case_insensitive(ignore_case)
        .build()
        .ok()
}

fn addresses(operand: &Value) -> Vec<IpNet> {
    match operand {
        Value::Array(items) => items.iter().filter_map(|item| network(item.as_str()?)).collect(),
        other => other.as_str().and_then(network).into_iter().collect(),
    }
}

/// An address or a range of addresses.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match self {
            Test::Equal(wanted) => equal(value, wanted),
            Test::Unequal(wanted) => !equal(value, wanted),
            Test::Order(order, limit) => ordered(*order, value, limit).unwrap_or(false),
            Test::Matches(regex) => regex
                .as_ref()
                .zip(value)
                .is_some_and(|(regex, value)| regex.is_match(value)),
            Test::In(items) => items.iter().any(|item| item.as_str() == value && value.is_some()),
            Test::Addresses(networks) => {
                let address = value.and_then(|value| value.parse::<IpAddr>().ok());
                address.is_some_and(|address| networks.iter().any(|net| net.contains(&address)))
            }
            Test::Has => false,
        }
    }
}

fn equal(value: Option<&str>, wanted: &Value) -> bool {
    match wanted {
        Value::Number(number) => {
            let value = value.and_then(|value| value.parse::<f64>().ok());
            value.is_some() && value == number.as_f64()
        }
        Value::Null => value.is_none(),
        Value::String(text) => value == Some(text),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn ordered(order: Order, value: Option<&str>, limit: &Value) -> Option<bool> {
    let value: f64 = value?.parse().ok()?;
    let limit = limit.as_f64().or_else(|| limit.as_str()?.parse().ok())?;
    Some(match order {
        Order::Greater => value > limit,
        Order::GreaterOrEqual => value >= limit,
        Order::Less => value < limit,
        Order::LessOrEqual => value <= limit,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            "arg_n" => "7",
            "arg_s" => "abc",
            "remote_addr" => "10.1.2.3",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn expressions_hold_or_not() {
        let table = [
            (json!([]), true),
            (json!([["arg_s", "==", "abc"]]), true),
            (json!([["arg_s", "!", "==", "abc"]]), false),
            (
                json!([["arg_n", "==", 7], ["arg_n", ">", 6], ["arg_n", "<=", "7"]]),
                true,
            ),
            (json!([["arg_s", "~~", "^b"]]), false),
            (json!([["arg_s", "~*", "^AB"]]), true),
            (json!([["arg_s", "in", ["x", "abc"]]]), true),
            (json!([["arg_none", "~=", "x"]]), true),
            (json!([["arg_none", "~~", ".*"]]), false),
            (json!(["OR", ["arg_n", "==", "8"], ["arg_s", "==", "abc"]]), true),
            (json!(["!OR", ["arg_n", "==", "8"], ["arg_s", "==", "abc"]]), false),
            (json!([["remote_addr", "ipmatch", ["10.0.0.0/8"]]]), true),
        ];
        for (rules, wanted) in table {
            let expression = Expression::compile(&rules).unwrap();
            assert_eq!(expression.holds(&variable), wanted, "{rules}");
        }
    }

    #[test]
    fn bad_expressions_are_refused() {
        let table = [
            (json!([["arg_x", "~~~", 1]]), "invalid operator '~~~'"),
            (json!(["arg_x", "==", 1]), "rule should be wrapped inside brackets"),
            (json!(["OR", ["a", "==", 1]]), "rule too short"),
            (json!([[]]), "rule too short"),
            (json!([["a", "?", "==", 1]]), "bad 'not' expression"),
        ];
        for (rules, wanted) in table {
            assert_eq!(Expression::compile(&rules).unwrap_err(), wanted, "{rules}");
        }
    }
}
