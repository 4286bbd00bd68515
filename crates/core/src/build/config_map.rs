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
use std::sync::Arc;

/// The file with the runtime roots.
pub const BASE: &str = "base.hocon";
/// The key of the settings of Erlang's resolver.
pub(super) const INETRC: &str = "inetrc";
/// Without EDNS an answer of more than 512 bytes is truncated, and OTP releases with erlang/otp 11114 treat it as empty: three cores
/// with long names would not find each other. 4096 bytes are what CoreDNS sends at most, and enough for thirty cores.
const LONG_ANSWERS: &str = "{edns,0}.\n{udp_payload_size,4096}.\n";

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
        json!({BASE: config.runtime, "emqx.conf": config.startup, INETRC: LONG_ANSWERS})
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
            BASE: STANDARD.encode(&config.runtime),
            "emqx.conf": STANDARD.encode(&config.startup),
            INETRC: STANDARD.encode(LONG_ANSWERS),
        });
        let body = json!({"type": "Opaque", "data": data});
        let name = desired.names.config_secret();
        Manifest::new(desired, Kind::Secret, name, &labels, &BTreeMap::new(), body)
    })
}

/// The same with another text in one of the files.
pub fn with_file(mut manifest: Manifest, file: &str, text: &str) -> Manifest {
    let is_secret = manifest.id.kind == Kind::Secret;
    let data = &mut Arc::make_mut(&mut manifest.body)["data"];
    if data.get(file).is_some() {
        data[file] = if is_secret { STANDARD.encode(text).into() } else { text.into() };
    }
    manifest
}
