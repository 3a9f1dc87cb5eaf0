//! The one form of an expression.

use std::net::IpAddr;

use serde_json::{Number, Value, json};

use super::{AND, Fault, Judge, MAX_DEPTH};

/// Words that join expressions.
const JOINING: [&str; 4] = [AND, "OR", "!AND", "!OR"];

/// What compares.
const OPERATORS: [&str; 11] = ["==", "~=", ">", ">=", "<", "<=", "~~", "~*", "has", "in", "ipmatch"];

/// Matches whatever is there, the empty text as well.
const ANYTHING: &str = "^";

/// Most digits of a number: cjson, by which APISIX keeps its objects, writes no more (`encode_number_precision`).
const DIGITS: usize = 14;

const FORM: &str = "allowed is [variable, operator, value], with \"!\" before the operator to reverse it, or a list of \
                    such, with AND, OR, !AND or !OR at its head";

/// The joining word that a text is, in any case, as lua-resty-expr takes it.
pub(super) fn joining(word: &str) -> Option<&'static str> {
    JOINING.into_iter().find(|known| known.eq_ignore_ascii_case(word))
}

pub(super) fn is_operator(word: &str) -> bool {
    OPERATORS.contains(&word)
}

/// Whether an operator compares with a list.
pub(super) fn takes_lists(operator: &str) -> bool {
    matches!(operator, "in" | "ipmatch")
}

/// Reads an expression to its end, whatever is wrong on the way.
pub(super) struct Reader<'a> {
    pub(super) judge: Judge<'a>,
    pub(super) faults: Vec<Fault>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: &str, message: String) -> Option<Value> {
        let at = at.to_owned();
        self.faults.push(Fault { at, message });
        None
    }

    /// Its one form; none where something was wrong.
    pub(super) fn expression(&mut self, at: &str, value: &Value, depth: usize) -> Option<Value> {
        let Value::Array(items) = value else {
            return self.wrong(at, format!("found {}; {FORM}", shown(value)));
        };
        if depth > MAX_DEPTH {
            let message =
                format!("is a list within {MAX_DEPTH} others; at most {MAX_DEPTH} are allowed within one another");
            return self.wrong(at, message);
        }
        match items.as_slice() {
            [] => self.wrong(at, format!("is empty; {FORM}")),
            [Value::Array(_), ..] => self.group(at, AND, 0, items, depth),
            [Value::String(word), parts @ ..] => match joining(word) {
                Some(word) if parts.len() < 2 => {
                    let message = format!("{word} joins {} here; at least two expressions are needed", parts.len());
                    self.wrong(at, message)
                }
                Some(word) => self.group(at, word, 1, parts, depth),
                None => self.comparison(at, value, items),
            },
            _ => self.wrong(at, format!("found {}; {FORM}", shown(value))),
        }
    }

    fn group(&mut self, at: &str, word: &str, first: usize, parts: &[Value], depth: usize) -> Option<Value> {
        let mut normal = Vec::with_capacity(parts.len() + 1);
        for (number, part) in parts.iter().enumerate() {
            let at = format!("{at}[{}]", first + number);
            normal.push(self.expression(&at, part, depth + 1));
        }
        let mut normal: Vec<Value> = normal.into_iter().collect::<Option<_>>()?;
        if normal.len() == 1 {
            return normal.pop();
        }
        normal.sort_by_cached_key(Value::to_string);
        normal.insert(0, json!(word));
        Some(Value::Array(normal))
    }

    fn comparison(&mut self, at: &str, whole: &Value, items: &[Value]) -> Option<Value> {
        let (variable, negated, operator, value) = match items {
            [Value::String(variable), Value::String(operator), value] => (variable, false, operator, value),
            [
                Value::String(variable),
                Value::String(not),
                Value::String(operator),
                value,
            ] if not == "!" => (variable, true, operator, value),
            _ => return self.wrong(at, format!("found {}; {FORM}", shown(whole))),
        };
        if variable.is_empty() {
            return self.wrong(at, format!("found {}, which names no variable; {FORM}", shown(whole)));
        }
        let operator = operator.to_ascii_lowercase();
        let read = operand(&operator, value).and_then(|operand| (self.judge)(&operator, &operand).map(|()| operand));
        match read {
            Err(message) => self.wrong(at, message),
            Ok(Value::Null) => {
                // Not every target's parser keeps a null: `apisix.yaml` is read with one of its own.
                let absent = negated != (operator == "==");
                Some(written(variable, absent, "~~", &json!(ANYTHING)))
            }
            Ok(operand) => Some(written(variable, negated, &operator, &operand)),
        }
    }
}

fn written(variable: &str, negated: bool, operator: &str, operand: &Value) -> Value {
    match negated {
        true => json!([variable, "!", operator, operand]),
        false => json!([variable, operator, operand]),
    }
}

/// What an operator compares with.
fn operand(operator: &str, value: &Value) -> Result<Value, String> {
    let found = || format!("{operator} with {}", shown(value));
    match (operator, value) {
        ("==" | "~=", Value::Null) => Ok(Value::Null),
        ("==" | "~=" | "has", _) => single(value).unwrap_or_else(|| {
            let null = if operator == "has" {
                ""
            } else {
                ", null where it is absent"
            };
            Err(format!("{}: allowed is a text, a number, true or false{null}", found()))
        }),
        (">" | ">=" | "<" | "<=", Value::String(_) | Value::Number(_)) => single(value).unwrap_or_else(|| Err(found())),
        (">" | ">=" | "<" | "<=", _) => Err(format!("{}: allowed is a number", found())),
        ("~~" | "~*", Value::String(_)) => Ok(value.clone()),
        ("~~" | "~*", _) => Err(format!("{}: allowed is a regular expression as a text", found())),
        ("in", Value::Array(items)) => items.iter().map(item).collect::<Result<_, _>>().map(Value::Array),
        ("in", _) => Err(format!(
            "{}: allowed is a list of texts, numbers, true and false",
            found()
        )),
        ("ipmatch", _) => networks(value).ok_or_else(|| {
            let allowed = "allowed is a list of at least one IP address or network as 10.0.0.0/8";
            format!("{}: {allowed}", found())
        }),
        (other, _) => Err(format!(
            "operator {} is none of {}",
            shown(&json!(other)),
            OPERATORS.join(" ")
        )),
    }
}

fn item(value: &Value) -> Result<Value, String> {
    single(value).unwrap_or_else(|| {
        let shown = shown(value);
        Err(format!(
            "in with {shown} in its list: allowed are texts, numbers, true and false"
        ))
    })
}

/// A text, a number or a truth.
fn single(value: &Value) -> Option<Result<Value, String>> {
    match value {
        Value::String(_) | Value::Bool(_) => Some(Ok(value.clone())),
        Value::Number(it) => Some(number(it)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as Lua has it: 6.0 is 6.
fn number(number: &Number) -> Result<Value, String> {
    let float = number.as_f64().unwrap_or(f64::NAN);
    let scientific = format!("{float:.*e}", DIGITS - 1);
    if scientific.parse::<f64>().ok() != Some(float) || !number.is_f64() && float.abs() >= 1e14 {
        return Err(format!(
            "number {number} has more digits than the {DIGITS} that APISIX keeps"
        ));
    }
    let whole = format!("{float:.0}").parse::<i64>().ok();
    let whole = whole.filter(|_| float.fract() == 0.0 && float.abs() < 1e14);
    Ok(whole.map_or_else(|| json!(float), |whole| json!(whole)))
}

fn networks(value: &Value) -> Option<Value> {
    let one = std::slice::from_ref(value);
    let items = value.as_array().map_or(one, Vec::as_slice);
    let known = |item: &Value| item.as_str().is_some_and(is_network);
    (!items.is_empty() && items.iter().all(known)).then(|| json!(items))
}

/// Whether a text is an IP address or a network.
fn is_network(text: &str) -> bool {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| {
        let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
        digits && prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
    })
}

/// A value for a message, cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    // 80: a line of a terminal.
    let cut: String = text.chars().take(80).collect();
    if cut.len() < text.len() {
        format!("{cut}...")
    } else {
        cut
    }
}
