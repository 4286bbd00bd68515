//! Makes stored JSON readable for typed code without changing what it means.
//!
//! The schema accepts a quantity as a number or as a string (`cpu: 1`), as Kubernetes does for its own types, but an
//! API server does not rewrite custom resources. Typed quantities are strings, so numbers are turned into text first.

use serde_json::Value;

/// The fields that hold a quantity in the Kubernetes types that a spec embeds and the operator writes.
pub const QUANTITIES: [&str; 2] = ["sizeLimit", "divisor"];
/// The fields that hold a map of quantities.
pub const MAPS_OF_QUANTITIES: [&str; 3] = ["limits", "requests", "capacity"];

/// Turns quantities that were written as numbers into text, at any depth outside of `config.roots`.
pub fn quantities(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match name.as_str() {
                    "roots" => {}
                    name if QUANTITIES.contains(&name) => number_to_text(field),
                    name if MAPS_OF_QUANTITIES.contains(&name) => each_number_to_text(field),
                    _ => quantities(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quantities),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn each_number_to_text(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(number_to_text),
        other => quantities(other),
    }
}

fn number_to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::quantities;
    use serde_json::json;

    #[test]
    fn numbers_become_text_only_where_a_quantity_stands() {
        let mut spec = json!({
            "coreTemplate": {"spec": {"replicas": 3, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 0.5}}}},
            "config": {"roots": {"limits": {"requests": 5}, "mqtt": {"limits": {"x": 1}}}},
        });
        quantities(&mut spec);
        assert_eq!(
            spec,
            json!({
                "coreTemplate": {"spec": {"replicas": 3, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}}},
                "config": {"roots": {"limits": {"requests": 5}, "mqtt": {"limits": {"x": 1}}}},
            })
        );
    }
}
