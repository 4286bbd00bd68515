//! An EMQX resource as it is stored, readable or not.
//!
//! A watch of typed objects fails as a whole when one object does not fit the type, for example an object that was stored
//! before the schema was stricter. Here such an object becomes an object with an error, and does not affect other objects.

use emqx_operator_api::hub::{EMQX, EMQXStatus};
use emqx_operator_api::normalize;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::borrow::Cow;

/// An EMQX resource as it is stored.
#[derive(Clone, Debug)]
pub struct StoredEmqx {
    pub metadata: ObjectMeta,
    /// The resource without its status, or why its spec cannot be read.
    pub content: Result<EMQX, String>,
    /// The status that was written last, if it can be read.
    pub status: Option<EMQXStatus>,
}

impl<'de> Deserialize<'de> for StoredEmqx {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let mut metadata: ObjectMeta = serde_json::from_value(value["metadata"].clone()).map_err(D::Error::custom)?;
        metadata.managed_fields = None;
        let status = value.as_object_mut().and_then(|fields| fields.remove("status"));
        normalize::quantities(&mut value["spec"]);
        let content = serde_json::from_value::<EMQX>(value).map_err(|error| error.to_string());
        Ok(Self {
            content: content.map(|mut cr| {
                cr.metadata = metadata.clone();
                cr
            }),
            metadata,
            status: status.and_then(|status| serde_json::from_value(status).ok()),
        })
    }
}

impl Resource for StoredEmqx {
    type DynamicType = ();
    type Scope = <EMQX as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        EMQX::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        EMQX::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        EMQX::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        EMQX::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::StoredEmqx;
    use serde_json::json;

    #[test]
    fn an_unreadable_spec_is_an_object_with_an_error() {
        let stored: StoredEmqx = serde_json::from_value(json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX",
            "metadata": {"name": "a", "namespace": "b", "uid": "c"},
            "spec": {"image": 5},
            "status": {"conditions": "none"},
        }))
        .unwrap();
        assert_eq!(stored.metadata.name.as_deref(), Some("a"));
        assert!(stored.content.is_err_and(|error| error.contains("expected a string")));
        assert!(stored.status.is_none());
    }

    #[test]
    fn quantities_may_be_numbers() {
        let stored: StoredEmqx = serde_json::from_value(json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX",
            "metadata": {"name": "a"},
            "spec": {"image": "emqx/emqx:5.10.4", "coreTemplate": {"spec": {"resources": {"limits": {"cpu": 1}}}}},
        }))
        .unwrap();
        assert!(stored.content.is_ok(), "{:?}", stored.content);
    }
}
