//! Expressions by which APISIX narrows a route (`vars`): the grammar of lua-resty-expr, as its 1.3.2 compiles it.
//!
//! | form | holds where |
//! |---|---|
//! | `[variable, operator, value]` | the comparison does |
//! | `[variable, "!", operator, value]` | it does not |
//! | `[expression, ...]`, `["AND", expression, expression, ...]` | all do |
//! | `["OR", ...]`, `["!AND", ...]`, `["!OR", ...]` | any does, not all do, none does |
//!
//! The Admin API refuses a route whose `vars` do not compile, and from elsewhere APISIX's workers drop it (`check_route`),
//! which leaves its requests to a wider one: so both sides check what they send on.
//! Each expression has one form here, whatever the case of its words, the order of what it joins or the way its numbers
//! are written, so that equal ones are equal texts. It is kept as a text since numbers have no order and no hash, and
//! since a text has a bound.

mod normal;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Comparison, Condition};
use normal::Reader;

/// Longest expression in bytes: room for 3,500 networks in a list.
pub const MAX_BYTES: usize = 64 << 10;

/// Most lists within one another: lua-resty-expr calls itself for each on every request. People write two or three.
pub const MAX_DEPTH: usize = 16;

/// The word that joins conditions which all must hold.
const AND: &str = "AND";

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as `[1][0]`; empty for all of it.
    pub at: String,
    /// What was found, and what is allowed.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => out.write_str(&self.message),
            at => write!(out, "{at}: {}", self.message),
        }
    }
}

/// Judges what an operator compares with, beyond what APISIX itself refuses.
pub type Judge<'a> = &'a dyn Fn(&str, &Value) -> Result<(), String>;

/// Takes whatever APISIX takes.
///
/// # Errors
/// Never.
pub fn lenient(_: &str, _: &Value) -> Result<(), String> {
    Ok(())
}

/// An expression that is more than comparisons with texts, in its one form as JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression(String);

impl Expression {
    /// Reads one.
    ///
    /// # Errors
    /// Where something is wrong, what was found there and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(too_long(text.len()));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        let mut conditions = conditions(&value, &lenient).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(Fault::to_string).collect();
            faults.join("; ")
        })?;
        match (conditions.pop(), conditions.is_empty()) {
            (Some(Condition::Expression(it)), true) => Ok(it),
            _ => Err("is made of plain conditions, which have a form of their own".to_owned()),
        }
    }

    /// Its one form.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// As APISIX takes it.
    ///
    /// # Errors
    /// It is no JSON, which cannot be.
    pub fn value(&self) -> Result<Value, String> {
        serde_json::from_str(&self.0).map_err(|error| error.to_string())
    }
}

impl TryFrom<String> for Expression {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> Self {
        expression.0
    }
}

/// Whether `vars` as a whole are one expression that a word joins, not a list of expressions.
#[must_use]
pub fn is_joined(vars: &[Value]) -> bool {
    vars.first()
        .and_then(Value::as_str)
        .is_some_and(|word| normal::joining(word).is_some())
}

/// The conditions that hold together where an expression does, sorted: what all must hold is taken apart, and
/// comparisons with texts have the form that hubs always knew.
///
/// # Errors
/// All that is wrong with it.
pub fn conditions(value: &Value, judge: Judge<'_>) -> Result<Vec<Condition>, Vec<Fault>> {
    let mut reader = Reader {
        judge,
        faults: Vec::new(),
    };
    let normal = reader.expression("", value, 1);
    let mut faults = reader.faults;
    let mut all = Vec::new();
    for part in normal.into_iter().flat_map(taken_apart) {
        match condition(&part) {
            Ok(condition) => all.push(condition),
            Err(message) => faults.push(Fault {
                at: String::new(),
                message,
            }),
        }
    }
    all.sort();
    all.dedup();
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// A condition as APISIX takes it.
///
/// # Errors
/// Why APISIX would not.
pub fn value_of(condition: &Condition) -> Result<Value, String> {
    match condition {
        Condition::Expression(expression) => expression.value(),
        Condition::Comparison(comparison) => {
            let value = of_comparison(comparison);
            let checked = conditions(&value, &lenient).map_err(|faults| faults.first().map(Fault::to_string));
            match checked {
                Ok(_) => Ok(value),
                Err(fault) => Err(fault.unwrap_or_default()),
            }
        }
    }
}

fn of_comparison(comparison: &Comparison) -> Value {
    let Comparison {
        variable,
        operator,
        negated,
        values,
    } = comparison;
    let value = match values.as_slice() {
        [value] if !normal::takes_lists(operator) => json!(value),
        values => json!(values),
    };
    match negated {
        true => json!([variable, "!", operator, value]),
        false => json!([variable, operator, value]),
    }
}

/// What all must hold, one by one.
fn taken_apart(normal: Value) -> Vec<Value> {
    match normal {
        Value::Array(parts) if parts.first().is_some_and(|word| word == AND) => {
            parts.into_iter().skip(1).flat_map(taken_apart).collect()
        }
        other => vec![other],
    }
}

fn condition(normal: &Value) -> Result<Condition, String> {
    if let Some(comparison) = with_texts(normal) {
        return Ok(comparison.into());
    }
    let text = normal.to_string();
    match text.len() {
        length if length > MAX_BYTES => Err(too_long(length)),
        _ => Ok(Condition::Expression(Expression(text))),
    }
}

fn too_long(length: usize) -> String {
    format!("has {length} bytes; at most {MAX_BYTES} are allowed in one expression")
}

/// The comparison, where it is one with a text or with a list of texts.
fn with_texts(normal: &Value) -> Option<Comparison> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let (variable, negated, operator, operand) = match normal.as_array()?.as_slice() {
        [variable, operator, operand] => (variable, false, operator, operand),
        [variable, _, operator, operand] => (variable, true, operator, operand),
        _ => return None,
    };
    let values = match operand {
        Value::Array(items) => items.iter().map(text).collect::<Option<_>>()?,
        one => vec![text(one)?],
    };
    let operator = text(operator).filter(|operator| normal::is_operator(operator))?;
    Some(Comparison {
        variable: text(variable)?,
        operator,
        negated,
        values,
    })
}
