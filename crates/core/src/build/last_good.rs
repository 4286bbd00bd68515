//! The Secret with the templates that last worked. It is a Secret because pods are created from it: the right to edit ConfigMaps
//! must not include the choice of the image, and configurations may hold passwords.

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
