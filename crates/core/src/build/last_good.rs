//! The ConfigMap that keeps what last worked.

use super::labels;
use super::manifest::Manifest;
use crate::desired::{Desired, LastGood};
use crate::world::Kind;
use serde_json::json;
use std::collections::BTreeMap;

pub fn last_good(desired: &Desired, record: &LastGood) -> Manifest {
    let labels = labels::with_resource_labels(desired);
    let name = desired.names.last_good();
    Manifest::new(desired, Kind::ConfigMap, name, &labels, &BTreeMap::new(), json!({ "data": record.data() }))
}
