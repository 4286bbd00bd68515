//! The configuration files. Pods see them only when they start: they are mounted one by one, among the files of the
//! image, and Kubernetes does not update such mounts.

use super::labels;
use super::manifest::Manifest;
use crate::desired::Desired;
use crate::world::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::BTreeMap;

/// The ConfigMap. When the configuration contains values of Secrets it holds a hint instead of the files.
pub fn config_map(desired: &Desired) -> Manifest {
    let key = (Kind::ConfigMap, desired.names.config_map(), String::new());
    desired.built.manifests.get(key, || build(desired))
}

fn build(desired: &Desired) -> Manifest {
    let config = &desired.config;
    let data = if config.secret {
        json!({"README": format!("The configuration contains secrets; it is in Secret {}.", desired.names.config_secret())})
    } else {
        json!({"base.hocon": config.runtime, "emqx.conf": config.startup})
    };
    let labels = labels::with_resource_labels(desired);
    Manifest::new(
        desired,
        Kind::ConfigMap,
        desired.names.config_map(),
        &labels,
        &BTreeMap::new(),
        json!({ "data": data }),
    )
}

/// The Secret that holds the files instead, when the configuration contains values of Secrets.
pub fn config_secret(desired: &Desired) -> Option<Manifest> {
    let config = &desired.config;
    config.secret.then(|| {
        let labels = labels::with_resource_labels(desired);
        let data = json!({
            "base.hocon": STANDARD.encode(&config.runtime),
            "emqx.conf": STANDARD.encode(&config.startup),
        });
        let body = json!({"type": "Opaque", "data": data});
        let name = desired.names.config_secret();
        Manifest::new(desired, Kind::Secret, name, &labels, &BTreeMap::new(), body)
    })
}
