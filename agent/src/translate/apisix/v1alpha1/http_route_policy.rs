//! HTTPRoutePolicy → priority and further conditions of all routes of Ingresses. HTTPRoutes are not read yet.
//!
//! Conditions that the model has no room for keep the whole policy out of force, and it says so. Of several policies
//! for one Ingress all count whose priority is that of the oldest; the others are told.

use std::collections::BTreeSet;

use hubline::model::Condition;
use serde_json::Value;

use super::super::{Draft, route};
use super::target;
use crate::index::{Demand, Index, RoutePolicy};
use crate::source::{Kind, Name, ObjectId};
use crate::translate::rendered::{Fault, Rendered};
use crate::translate::value;

/// Operators that compare with one text, and with a list of texts (lua-resty-expr).
const WITH_ONE: [&str; 9] = ["==", "~=", ">", ">=", "<", "<=", "~~", "~*", "has"];
const WITH_MANY: [&str; 2] = ["in", "ipmatch"];

/// Words of lua-resty-expr that join conditions.
const JOINING: [&str; 4] = ["AND", "OR", "!AND", "!OR"];

/// Reads one policy, for the Ingresses that it names.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::HttpRoutePolicy, name);
    let listed = index.listings.is_listed(Kind::HttpRoutePolicy);
    let Some(policy) = index.custom.http_route_policies.get(name).filter(|_| listed) else {
        return draft.done();
    };
    let targets = target::of_kind(&mut draft, &policy.spec.target_refs, "networking.k8s.io", "Ingress");
    let Some(conditions) = conditions(&mut draft, &policy.spec.vars) else {
        return draft.done();
    };
    let priority = policy.spec.priority;
    let priority = priority.map(|priority| route::priority(&mut draft, "spec", Some(priority)));
    if priority.is_none() && conditions.is_empty() {
        draft.warn("spec", "has neither priority nor vars, so that it does nothing");
    }
    for (field, target) in targets {
        if target.section_name.is_some() {
            let message = "Ingresses have no sections; the policy acts on all routes of the Ingress";
            draft.warn(format!("{field}.sectionName"), message);
        }
        let policy = RoutePolicy {
            created: policy.created,
            field,
            priority,
            conditions: conditions.clone(),
        };
        let ingress = name.sibling(&target.name);
        draft.demand.route_policies.entry(ingress).or_insert(policy);
    }
    draft.done()
}

/// All of them, or none where one cannot be expressed: without it the routes would take more than was meant.
fn conditions(draft: &mut Draft<'_>, vars: &[Value]) -> Option<Vec<Condition>> {
    let mut all = Vec::with_capacity(vars.len());
    let mut wrong = false;
    for (at, var) in vars.iter().enumerate() {
        match condition(var) {
            Ok(condition) => all.push(condition),
            Err(message) => {
                draft.wrong(
                    format!("spec.vars[{at}]"),
                    format!("{message}; the policy is not applied"),
                );
                wrong = true;
            }
        }
    }
    (!wrong).then_some(all)
}

/// `[variable, operator, value]`, or `[variable, "!", operator, value]`.
fn condition(var: &Value) -> Result<Condition, String> {
    let form = || "allowed is [variable, operator, value], with \"!\" before the operator to reverse it".to_owned();
    let parts = var.as_array().ok_or_else(form)?;
    if parts
        .first()
        .and_then(Value::as_str)
        .is_some_and(|word| JOINING.contains(&word))
    {
        return Err(format!(
            "conditions joined by {} are not supported; {}",
            JOINING.join(", "),
            form()
        ));
    }
    let (variable, negated, operator, value) = match parts.as_slice() {
        [variable, operator, value] => (variable, false, operator, value),
        [variable, Value::String(not), operator, value] if not == "!" => (variable, true, operator, value),
        _ => return Err(form()),
    };
    let (Some(variable), Some(operator)) = (variable.as_str(), operator.as_str()) else {
        return Err(form());
    };
    let values = match (operator, value) {
        (operator, Value::String(text)) if WITH_ONE.contains(&operator) => Some(vec![text.clone()]),
        (operator, Value::Array(texts)) if WITH_MANY.contains(&operator) => {
            let texts = texts.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect()
        }
        _ => None,
    };
    let values = values.ok_or_else(|| {
        let (one, many) = (WITH_ONE.join(" "), WITH_MANY.join(" "));
        format!(
            "{}: allowed are {one} with a text and {many} with a list of texts",
            value::shown(operator)
        )
    })?;
    Ok(Condition {
        variable: variable.to_owned(),
        operator: operator.to_owned(),
        negated,
        values,
    })
}

/// What policies say of all routes of an Ingress.
#[derive(Debug, Default)]
pub(in crate::translate) struct OfIngress {
    pub(in crate::translate) priority: Option<i32>,
    pub(in crate::translate) conditions: Vec<Condition>,
}

/// Joins the policies for an Ingress; those that do not count are told.
pub(in crate::translate) fn of_ingress(index: &Index, rendered: &mut Rendered, ingress: &Name) -> OfIngress {
    let policies = index.route_policies.of(ingress).into_iter().flatten();
    let mut policies: Vec<(&ObjectId, &RoutePolicy)> = policies.collect();
    policies.sort_by_key(|(id, policy)| (policy.created.is_none(), policy.created, &id.name));
    let Some((oldest, first)) = policies.first().copied() else {
        return OfIngress::default();
    };
    let mut conditions = BTreeSet::new();
    for (id, policy) in policies {
        if policy.priority == first.priority {
            conditions.extend(policy.conditions.iter().cloned());
            continue;
        }
        let message = format!(
            "HTTPRoutePolicy {}, which is older, gives the routes of Ingress {ingress} another priority; this one is not applied there",
            oldest.name
        );
        rendered.report(
            id.kind,
            &id.name,
            policy.field.clone(),
            Fault::error("Conflicted", message),
        );
    }
    OfIngress {
        priority: first.priority,
        conditions: conditions.into_iter().collect(),
    }
}

/// An Ingress that is not there is told to the policies that name it.
pub(in crate::translate) fn tell_missing(index: &Index, rendered: &mut Rendered, ingress: &Name) {
    for (id, policy) in index.route_policies.of(ingress).into_iter().flatten() {
        let message = format!("Ingress {ingress} does not exist");
        rendered.report(
            id.kind,
            &id.name,
            policy.field.clone(),
            Fault::error("TargetNotFound", message),
        );
    }
}
