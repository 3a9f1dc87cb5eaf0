//! A credential, written out or in a Secret. Messages name fields, never what stands there.

mod values;

use serde_json::{Map, Value, json};

use super::super::Draft;
use super::super::draft::Made;
use super::methods::{Form, Method, Part};
use crate::index::secret::Slot;
use crate::source::Name;
use crate::source::crd::v2::{AuthParameter, SecretName};
use crate::translate::rendered::Fault;

/// Algorithms of JSON Web Tokens with a secret, and with a public key (APISIX's schema of `jwt-auth`).
const WITH_SECRET: [&str; 3] = ["HS256", "HS384", "HS512"];
const WITH_PUBLIC_KEY: [&str; 10] = [
    "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA",
];

/// Reason of a credential with which nobody could call.
const INVALID: &str = "InvalidCredential";

/// What a plugin wants to know.
type Values = Map<String, Value>;

/// The credential that is given; of several the first, as with apisix-ingress-controller.
pub(super) fn of_parameter(
    draft: &mut Draft<'_>,
    field: &str,
    parameter: &AuthParameter,
) -> Made<Option<(Method, Value)>> {
    let mut given = Method::ALL.into_iter().filter_map(|method| {
        let (value, secret) = values::of(parameter, method)?;
        Some((method, value, secret))
    });
    let Some((method, value, secret)) = given.next() else {
        return Made::Good(None);
    };
    for (other, ..) in given {
        let message = format!(
            "counts for nothing beside {}: a consumer has one credential here",
            method.field()
        );
        draft.warn(format!("{field}.{}", other.field()), message);
    }
    let field = format!("{field}.{}", method.field());
    let made = match (value, secret) {
        (Some(values), _) => written_out(draft, &format!("{field}.value"), method, values),
        (None, Some(SecretName { name })) if !name.is_empty() => {
            let name = draft.name.sibling(name);
            from_secret(draft, &format!("{field}.secretRef"), method, &name)
        }
        (None, _) => {
            let message = "has neither a value nor the name of a Secret; one of both is needed";
            draft.report(field, Fault::error(INVALID, message));
            Made::Refused
        }
    };
    match made {
        Made::Good(config) => Made::Good(Some((method, config))),
        Made::Refused => Made::Refused,
        Made::Unknown => Made::Unknown,
    }
}

/// A credential that stands in the object itself.
pub(in crate::translate::apisix) fn written_out(
    draft: &mut Draft<'_>,
    field: &str,
    method: Method,
    values: Values,
) -> Made<Value> {
    complete(draft, field, "", method, values)
}

/// The credential that a Secret holds.
pub(in crate::translate::apisix) fn from_secret(
    draft: &mut Draft<'_>,
    field: &str,
    method: Method,
    name: &Name,
) -> Made<Value> {
    let slot = match draft.secret(field, name) {
        Made::Good(slot) => slot,
        Made::Refused => return Made::Refused,
        Made::Unknown => return Made::Unknown,
    };
    let holder = format!("Secret {name}: ");
    match read(draft, field, &holder, method, slot) {
        Ok(values) => complete(draft, field, &holder, method, values),
        Err(()) => Made::Refused,
    }
}

/// The fields that the plugin knows; reports what cannot be what it should be.
fn read(draft: &mut Draft<'_>, field: &str, holder: &str, method: Method, slot: &Slot) -> Result<Values, ()> {
    let mut values = Values::new();
    let mut wrong = false;
    for part in method.parts() {
        let Some(text) = slot.field(part.name).filter(|text| !text.is_empty()) else {
            continue;
        };
        match typed(part.form, text) {
            // As where it is written out.
            Ok(Value::Number(number)) if number.as_i64() == Some(0) && part.form == Form::Whole(1) => {}
            Ok(value) => drop(values.insert(part.name.to_owned(), value)),
            Err(allowed) => {
                let message = format!("{holder}field {} is not {allowed}", part.name);
                draft.report(field, Fault::error(INVALID, message));
                wrong = true;
            }
        }
    }
    if wrong { Err(()) } else { Ok(values) }
}

fn typed(form: Form, text: &str) -> Result<Value, String> {
    match form {
        Form::Text => Ok(json!(text)),
        Form::Whole(_) => {
            let number = text.trim().parse::<i64>();
            number
                .map(|number| json!(number))
                .map_err(|_| "a whole number".to_owned())
        }
        Form::Flag => match text.trim() {
            "true" => Ok(json!(true)),
            "false" => Ok(json!(false)),
            _ => Err("true or false".to_owned()),
        },
        Form::Words => {
            let words = text.split(|it: char| it == ',' || it.is_whitespace());
            Ok(words.filter(|word| !word.is_empty()).collect())
        }
    }
}

/// Checks that the plugin knows enough; `holder` says in messages where it is written.
fn complete(draft: &mut Draft<'_>, field: &str, holder: &str, method: Method, mut values: Values) -> Made<Value> {
    if method == Method::HmacAuth && !values.contains_key("key_id") {
        // Its name before APISIX 3.11.
        if let Some(key) = values.get("access_key").cloned() {
            values.insert("key_id".to_owned(), key);
        }
    }
    let faults: Vec<String> = method.parts().iter().filter_map(|part| part.fault(&values)).collect();
    let faults = faults.into_iter().chain(algorithm_fault(method, &values));
    let mut wrong = false;
    for fault in faults {
        let message = format!("{holder}{fault}; {} needs it right", method.plugin());
        draft.report(field, Fault::error(INVALID, message));
        wrong = true;
    }
    if wrong {
        return Made::Refused;
    }
    let moved = method.moved_to_the_route().iter().copied();
    let moved: Vec<&str> = moved.filter(|name| values.contains_key(*name)).collect();
    if !moved.is_empty() {
        let (moved, plugin) = (moved.join(", "), method.plugin());
        let message = format!("{holder}{moved}: since 3.11 APISIX reads these at the route's plugin {plugin}");
        draft.warn(field, message);
    }
    Made::Good(Value::Object(values))
}

impl Part {
    fn fault(&self, values: &Values) -> Option<String> {
        let name = self.name;
        match (values.get(name), self.form) {
            (None, _) if self.needed => Some(format!("field {name} is missing or empty")),
            (Some(Value::String(text)), _) if text.is_empty() && self.needed => {
                Some(format!("field {name} is missing or empty"))
            }
            (Some(value), Form::Text) if !value.is_string() => Some(format!("field {name} is no text")),
            (Some(value), Form::Whole(least)) if value.as_i64().is_some_and(|number| number < least) => {
                Some(format!("field {name} is below {least}"))
            }
            _ => None,
        }
    }
}

fn algorithm_fault(method: Method, values: &Values) -> Option<String> {
    let algorithm = values
        .get("algorithm")
        .filter(|_| method == Method::JwtAuth)?
        .as_str()?;
    if WITH_SECRET.contains(&algorithm) {
        return None;
    }
    if !WITH_PUBLIC_KEY.contains(&algorithm) {
        let known = [WITH_SECRET.as_slice(), WITH_PUBLIC_KEY.as_slice()].concat().join(", ");
        return Some(format!("field algorithm is none of {known}"));
    }
    let missing = !values.contains_key("public_key");
    missing.then(|| format!("field public_key is missing or empty, as {algorithm} wants one"))
}
