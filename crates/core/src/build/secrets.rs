//! The Secrets that give a cluster its identity. Their content never changes: nodes with another cookie do not join.

use super::labels;
use super::manifest::Manifest;
use crate::desired::{Desired, OPERATOR_API_KEY};
use crate::world::{Kind, Sensitive, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::BTreeMap;

/// The cookie that nodes know each other by.
pub fn cookie_secret(desired: &Desired, world: &World) -> Manifest {
    let known = world.known_identity().cookie;
    let cookie = text(&known, &world.fresh.cookie);
    secret(desired, desired.names.cookie_secret(), "node_cookie", cookie)
}

/// The bootstrap file of API keys: the user's, then the operator's own.
pub fn api_key_secret(desired: &Desired, world: &World) -> Manifest {
    let known = world.known_identity().operator_secret;
    let own = text(&known, &world.fresh.operator_secret);
    let users = desired.api_keys.iter().map(|key| format!("{}:{}\n", key.key, key.secret));
    let file: String = users.chain([format!("{OPERATOR_API_KEY}:{own}\n")]).collect();
    secret(desired, desired.names.api_key_secret(), "bootstrap_api_key", &file)
}

fn text<'a>(existing: &'a Option<Sensitive>, fresh: &'a str) -> &'a str {
    existing.as_ref().map_or(fresh, |Sensitive(text)| text)
}

/// `data`, not `stringData`: the latter is not stored, so it could not be compared.
fn secret(desired: &Desired, name: String, key: &str, content: &str) -> Manifest {
    desired.built.manifests.get((Kind::Secret, name.clone(), content.to_owned()), || {
        let labels = labels::with_resource_labels(desired);
        let body = json!({"type": "Opaque", "data": {key: STANDARD.encode(content)}});
        Manifest::new(desired, Kind::Secret, name, &labels, &BTreeMap::new(), body)
    })
}
