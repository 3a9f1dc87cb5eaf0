//! The expressions of `vars`: compiled with the error messages of lua-resty-expr, evaluated
//! against the variables of a request.

use std::net::IpAddr;

use fancy_regex::{Regex, RegexBuilder};
use ipnet::IpNet;
use serde_json::Value;

const OPERATORS: [&str; 11] = ["==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch"];

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
        [variable, operator, operand, ..] => (variable, false, operator, operand),
        // For compatibility, as the real one says: a value alone is compared with, in lower case.
        [variable, value] if !OPERATORS.contains(&lower(value).as_str()) => {
            let variable = variable.as_str().ok_or_else(invalid)?.to_owned();
            let test = Test::Equal(Value::String(lower(value)));
            return Ok(Expression::Compare {
                variable,
                test,
                negated: false,
            });
        }
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
        "ipmatch" => Test::Addresses(addresses(operand)?),
        _ => return Err(format!("invalid operator '{operator}'")),
    })
}

/// One that is none matches nothing: `ngx.re.find` answers with an error, which is not looked at.
fn regex(pattern: &Value, ignore_case: bool) -> Option<Regex> {
    RegexBuilder::new(&lua_text(pattern))
        .case_insensitive(ignore_case)
        .build()
        .ok()
}

/// As lua-resty-ipmatcher reads them, which refuses all for one.
fn addresses(operand: &Value) -> Result<Vec<IpNet>, String> {
    let one = std::slice::from_ref(operand);
    let items = operand.as_array().map_or(one, Vec::as_slice);
    if items.is_empty() || operand == "" || operand.is_null() {
        return Err("invalid ip address".to_owned());
    }
    let read = |item: &Value| {
        let network = item.as_str().and_then(network);
        let address = lua_text(item);
        network.ok_or_else(|| format!("invalid ip address: {}", address.split('/').next().unwrap_or_default()))
    };
    items.iter().map(read).collect()
}

/// A value as Lua's `tostring` writes it, as far as it is a text or a number.
fn lua_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lower(value: &Value) -> String {
    lua_text(value).to_lowercase()
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
                .is_some_and(|(regex, value)| regex.is_match(value).unwrap_or(false)),
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
    use proptest::prelude::*;
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
            (
                json!([["arg_s", "~~", "^a(?!x)"], ["arg_s", "!", "~~", "^a(?!b)"]]),
                true,
            ),
            (json!([["arg_n", "~~", 7]]), true),
            (json!([["arg_s", "~~", "(["]]), false),
            (json!([["arg_s", "!", "~~", "(["]]), true),
            (json!([["arg_s", "==", null]]), false),
            (json!([["arg_none", "==", null]]), true),
            (json!([["arg_none", "~=", null]]), false),
            (json!([["arg_s", "~=", null]]), true),
            // Two texts: a variable that is there, and one that is not.
            (json!([["arg_s", "~~", "^"]]), true),
            (json!([["arg_none", "!", "~~", "^"]]), true),
            // A number is no text, a text may be a number.
            (json!([["arg_n", "in", [7]]]), false),
            (json!([["arg_n", "in", [7, "7"]]]), true),
            (
                json!([["arg_n", "==", 7.0], ["arg_n", "~=", 8], ["arg_s", "~=", 7]]),
                true,
            ),
            (json!([["arg_s", "==", 7]]), false),
            (json!([["arg_s", ">", 1]]), false),
            (json!([["arg_s", "!", ">", 1]]), true),
            (json!([["arg_n", ">", "x"]]), false),
            (json!([["arg_s", "==", true]]), false),
            (json!([["arg_s", "!", "in", []]]), true),
            (json!([["arg_s", "has", "abc"]]), false),
            (json!([["arg_s", "IN", ["abc"]]]), true),
            (json!([["arg_s", "ABC"]]), true),
            (json!([["remote_addr", "!", "ipmatch", "10.1.2.4"]]), true),
            (json!(["or", ["arg_n", "==", "8"], ["arg_s", "==", "abc"]]), true),
            (json!(["AND", ["arg_n", "==", "7"], ["arg_s", "==", "x"]]), false),
            (json!(["!AND", ["arg_n", "==", "7"], ["arg_s", "==", "x"]]), true),
            (
                json!([
                    ["arg_n", "==", 7],
                    ["OR", ["arg_s", "==", "x"], [["arg_n", ">", 6], ["arg_s", "~~", "b"]]]
                ]),
                true,
            ),
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
            (json!([["a"]]), "invalid expression"),
            (json!([["a", "=="]]), "invalid expression"),
            (json!([["OR", ["a", "==", 1], []]]), "rule too short"),
            (json!([["a", "ipmatch", []]]), "invalid ip address"),
            (json!([["a", "ipmatch", ""]]), "invalid ip address"),
            (json!([["a", "ipmatch", ["10.0.0.0/8", "x"]]]), "invalid ip address: x"),
        ];
        for (rules, wanted) in table {
            assert_eq!(Expression::compile(&rules).unwrap_err(), wanted, "{rules}");
        }
    }

    /// Comparisons and what joins them, right for the most part.
    fn written() -> impl Strategy<Value = Value> {
        let operators = ["==", "~=", ">", "<=", "~~", "~*", "IN", "has", "ipmatch", "like"];
        let operands = prop::sample::select(vec![
            json!("7"),
            json!("abc"),
            json!("^A"),
            json!(7.0),
            json!(8),
            json!(true),
            json!(null),
            json!([]),
            json!(["abc", 7]),
            json!(["10.0.0.0/8", "2001:db8::1"]),
            json!("10.1.2.3"),
        ]);
        let variables = prop::sample::select(vec!["arg_n", "arg_s", "arg_none", "remote_addr"]);
        let comparison = (
            variables,
            any::<bool>(),
            prop::sample::select(operators.to_vec()),
            operands,
        );
        let comparison = comparison.prop_map(|(variable, negated, operator, operand)| match negated {
            true => json!([variable, "!", operator, operand]),
            false => json!([variable, operator, operand]),
        });
        comparison.prop_recursive(3, 10, 3, |inner| {
            let word = prop::option::of(prop::sample::select(vec!["AND", "or", "!And", "!OR"]));
            (word, prop::collection::vec(inner, 1..=3)).prop_map(|(word, mut parts)| {
                if let Some(word) = word {
                    parts.insert(0, json!(word));
                }
                Value::Array(parts)
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        /// What reaches APISIX holds for the same requests as what was written.
        #[test]
        fn what_is_programmed_means_what_was_written(written in written()) {
            let Ok(conditions) = hubline::expression::conditions(&written, &hubline::expression::lenient) else {
                return Ok(());
            };
            let programmed: Result<Vec<Value>, String> = conditions.iter().map(hubline::expression::value_of).collect();
            let programmed = Value::Array(programmed.unwrap());
            let [written, programmed] = [&json!([written]), &programmed].map(|vars| Expression::compile(vars).unwrap());
            prop_assert_eq!(written.holds(&variable), programmed.holds(&variable));
        }

        /// What APISIX refuses is never sent.
        #[test]
        fn what_does_not_compile_is_refused_before(written in written()) {
            if Expression::compile(&json!([written])).is_err() {
                let read = hubline::expression::conditions(&written, &hubline::expression::lenient);
                prop_assert!(read.is_err(), "{:?}", read);
            }
        }
    }
}
