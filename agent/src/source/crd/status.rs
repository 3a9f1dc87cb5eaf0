//! What is written back to custom resources.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::lenient::or_default;

/// Status of the kinds that stand for themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConditionStatus {
    /// One a type.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// Status of policies: one entry for each object that a policy acts through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AncestorStatus {
    /// One for each such object and controller.
    #[serde(default, deserialize_with = "or_default")]
    pub ancestors: Vec<Ancestor>,
}

/// What a policy does to one object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ancestor {
    /// The object.
    pub ancestor_ref: AncestorReference,
    /// Who says so.
    pub controller_name: String,
    /// One a type.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
}

/// Names an object that a policy acts through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AncestorReference {
    /// API group; that of Gateway API when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; `Gateway` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace; the policy's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// A part of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// A port of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
}

/// Kubernetes' standard conditions; k8s-openapi would give their schema only with those of all its types. Nothing is
/// required of them: the statuses that 1.8 wrote stay valid.
fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "type": {"type": "string"},
                "status": {"type": "string"},
                "observedGeneration": {"type": "integer", "format": "int64"},
                "lastTransitionTime": {"type": "string", "format": "date-time"},
                "reason": {"type": "string"},
                "message": {"type": "string"},
            },
        },
    })
}
