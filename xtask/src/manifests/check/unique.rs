//! Every object is there once, and has what the API server asks of any object.

use super::{Fault, fault};
use crate::manifests::objects::Variant;
use std::collections::BTreeSet;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for object in &variant.objects {
        for (field, pointer) in [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("metadata.name", "/metadata/name")]
        {
            if object.text(pointer).is_empty() {
                faults.push(fault(object, field, "it is empty", "set it"));
            }
        }
        if !seen.insert((object.kind(), object.namespace(), object.name())) {
            faults.push(fault(object, "metadata.name", "the object is there twice", "remove one of them"));
        }
    }
    faults
}
