//! Schemas of embedded Kubernetes types.
//!
//! Kubernetes' own field texts would make the CRD larger than what plain `kubectl apply` can store in its annotation
//! (256 KiB), and users know them from pods. So embedded types keep their structure and lose their texts; the texts
//! that stay in the CRD are ours.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

/// The schema of a Kubernetes type without its descriptions.
pub(crate) fn kubernetes<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = T::json_schema(generator);
    for value in schema.ensure_object().values_mut() {
        strip_descriptions(value);
    }
    schema.remove("description");
    schema
}

/// `metav1.Condition`s, merged by type.
pub(crate) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = kubernetes::<Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>>(generator);
    schema.insert("x-kubernetes-list-type".into(), "map".into());
    schema.insert("x-kubernetes-list-map-keys".into(), vec!["type"].into());
    schema
}

/// Any JSON below the names of configuration roots.
pub(crate) fn roots(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"x-kubernetes-preserve-unknown-fields": true},
    })
}

/// Any JSON.
pub(crate) fn anything(_: &mut SchemaGenerator) -> Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

fn strip_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A property may itself be called "description": then its value is a schema, not a text.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(strip_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_descriptions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
