//! The Secret that keeps what last worked. It is a Secret because pods are made from what it says: who may edit ConfigMaps
//! shall not choose their image, and configurations may hold passwords.

use super::labels;
use super::manifest::Manifest;
use crate::desired::{Desired, LastGood};
use crate::world::Kind;
use serde_json::json;
use std::collections::BTreeMap;

pub fn last_good(desired: &Desired, record: &LastGood) -> Manifest {
    let labels = labels::with_resource_labels(desired);
    let name = desired.names.last_good();
    Manifest::new(
        desired,
        Kind::Secret,
        name,
        &labels,
        &BTreeMap::new(),
        json!({"type": "Opaque", "data": record.data()}),
    )
}
