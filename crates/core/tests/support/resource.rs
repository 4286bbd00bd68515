//! Resources for the tests of this crate.

use emqx_operator_api::hub::EMQX;

/// A resource as the API server would hand it over.
pub fn resource(mut value: serde_json::Value) -> EMQX {
    value["metadata"]["namespace"] = "default".into();
    value["metadata"]["uid"] = "7d5d1a3c-0000-0000-0000-000000000000".into();
    value["metadata"]["generation"] = 1.into();
    emqx_operator_api::normalize::quantities(&mut value["spec"]);
    serde_json::from_value(value).expect("the resource fits the type")
}
