//! HTTPRoutePolicy → priority and further conditions of all routes of Ingresses. HTTPRoutes are not read yet.
//!
//! Where conditions cannot be read the Ingress has no routes: without them these would take requests that are not meant
//! for them. Of several policies for one Ingress all count whose priority is that of the oldest; the others are told.

use std::collections::BTreeSet;

use hubline::expression::{self, Fault};
use hubline::model::Condition;
use serde_json::Value;

use super::super::{Draft, route};
use super::target;
use crate::index::{Demand, Index, RoutePolicy};
use crate::source::{Kind, Name, ObjectId};
use crate::translate::rendered::{self, Rendered};
use crate::translate::value;

/// Said of conditions that cannot be read.
const LEFT_OUT: &str = "the Ingresses that the policy acts on have no routes until this is put right, since without it \
                        they would take requests that are not meant for them";

/// Reads one policy, for the Ingresses that it names.
pub(in crate::translate) fn render(index: &Index, name: &Name) -> (Rendered, Demand) {
    let mut draft = Draft::new(index, Kind::HttpRoutePolicy, name);
    let listed = index.listings.is_listed(Kind::HttpRoutePolicy);
    let Some(policy) = index.custom.http_route_policies.get(name).filter(|_| listed) else {
        return draft.done();
    };
    let targets = target::of_kind(&mut draft, &policy.spec.target_refs, "networking.k8s.io", "Ingress");
    let conditions = conditions(&mut draft, &policy.spec.vars);
    let priority = policy.spec.priority;
    let priority = priority.map(|priority| route::priority(&mut draft, "spec", Some(priority)));
    if priority.is_none() && conditions.as_ref().is_some_and(Vec::is_empty) {
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

/// All of them; none where one cannot be read.
fn conditions(draft: &mut Draft<'_>, vars: &[Value]) -> Option<Vec<Condition>> {
    let each = vars.iter().enumerate();
    let expressions: Vec<(String, Value)> = match expression::is_joined(vars) {
        true => vec![("spec.vars".to_owned(), Value::Array(vars.to_vec()))],
        false => each
            .map(|(at, var)| (format!("spec.vars[{at}]"), var.clone()))
            .collect(),
    };
    let mut all = Vec::with_capacity(vars.len());
    let mut wrong = false;
    for (field, expression) in expressions {
        match expression::conditions(&expression, &judge) {
            Ok(conditions) => all.extend(conditions),
            Err(faults) => {
                wrong = true;
                for Fault { at, message } in faults {
                    draft.wrong(format!("{field}{at}"), format!("{message}; {LEFT_OUT}"));
                }
            }
        }
    }
    (!wrong).then_some(all)
}

/// What APISIX would take, and what cannot be meant: it never holds, or always where it is reversed.
fn judge(operator: &str, operand: &Value) -> Result<(), String> {
    match (operator, operand) {
        ("~~" | "~*", Value::String(text)) => value::regex(text).map(|_| ()),
        (">" | ">=" | "<" | "<=", Value::String(text)) => {
            let number = text.trim().parse::<f64>().is_ok_and(f64::is_finite);
            let message = || format!("{operator} with {}: allowed is a number", value::shown(text));
            number.then_some(()).ok_or_else(message)
        }
        _ => Ok(()),
    }
}

/// What policies say of all routes of an Ingress.
#[derive(Debug, Default)]
pub(in crate::translate) struct OfIngress {
    pub(in crate::translate) priority: Option<i32>,
    pub(in crate::translate) conditions: Vec<Condition>,
    /// A policy whose conditions cannot be read, so that nobody knows which requests the routes are for.
    pub(in crate::translate) unreadable: Option<Name>,
}

/// Joins the policies for an Ingress; those that do not count are told.
pub(in crate::translate) fn of_ingress(index: &Index, rendered: &mut Rendered, ingress: &Name) -> OfIngress {
    let policies = index.route_policies.of(ingress).into_iter().flatten();
    let mut policies: Vec<(&ObjectId, &RoutePolicy)> = policies.collect();
    policies.sort_by_key(|(id, policy)| (policy.created.is_none(), policy.created, &id.name));
    let Some((oldest, first)) = policies.first().copied() else {
        return OfIngress::default();
    };
    let (mut conditions, mut unreadable) = (BTreeSet::new(), None);
    for (id, policy) in policies {
        if policy.priority == first.priority {
            match &policy.conditions {
                Some(readable) => conditions.extend(readable.iter().cloned()),
                None => unreadable = unreadable.or_else(|| Some(id.name.clone())),
            }
            continue;
        }
        let message = format!(
            "HTTPRoutePolicy {}, which is older, gives the routes of Ingress {ingress} another priority; this one is not applied there",
            oldest.name
        );
        let fault = rendered::Fault::error("Conflicted", message);
        rendered.report(id.kind, &id.name, policy.field.clone(), fault);
    }
    OfIngress {
        priority: first.priority,
        conditions: conditions.into_iter().collect(),
        unreadable,
    }
}

/// An Ingress that is not there is told to the policies that name it.
pub(in crate::translate) fn tell_missing(index: &Index, rendered: &mut Rendered, ingress: &Name) {
    for (id, policy) in index.route_policies.of(ingress).into_iter().flatten() {
        let message = format!("Ingress {ingress} does not exist");
        let fault = rendered::Fault::error("TargetNotFound", message);
        rendered.report(id.kind, &id.name, policy.field.clone(), fault);
    }
}
