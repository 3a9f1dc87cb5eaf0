//! What policies act on.

use crate::source::crd::v1alpha1::PolicyTarget;
use crate::translate::apisix::Draft;
use crate::translate::rendered::Fault;
use crate::translate::value;

/// API group of Gateway API.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// The targets of one group and kind, each with its field; others are reported.
pub(super) fn of_kind<'a>(
    draft: &mut Draft<'_>,
    targets: &'a [PolicyTarget],
    group: &str,
    kind: &str,
) -> Vec<(String, &'a PolicyTarget)> {
    let mut found = Vec::with_capacity(targets.len());
    for (at, target) in targets.iter().enumerate() {
        let field = format!("spec.targetRefs[{at}]");
        if target.group == group && target.kind == kind {
            found.push((field, target));
            continue;
        }
        let message = if target.group == GATEWAY_API {
            format!(
                "{} {}: objects of Gateway API are not read yet",
                target.kind, target.name
            )
        } else {
            let given = value::shown(&format!("{}/{}", target.group, target.kind));
            format!("{given} is no group and kind that the policy acts on; \"{group}/{kind}\" is")
        };
        draft.report(field, Fault::error("UnsupportedTarget", message));
    }
    found
}
