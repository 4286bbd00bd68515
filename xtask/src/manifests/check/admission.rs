//! An admission policy is about resources that a CRD of the installation serves: a misspelled one would look at nothing.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Variant, list, shown};
use serde_json::Value;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for policy in variant.of_kind("ValidatingAdmissionPolicy") {
        for (index, rule) in policy.list("/spec/matchConstraints/resourceRules").iter().enumerate() {
            for (group, version, resource) in matched(rule) {
                if !variant.of_kind("CustomResourceDefinition").any(|crd| serves(crd, group, version, resource)) {
                    faults.push(fault(
                        policy,
                        format!("spec.matchConstraints.resourceRules[{index}]"),
                        format!("no CRD here serves {} {}/{}", shown(resource), shown(group), shown(version)),
                        "correct the group, the version or the resource",
                    ));
                }
            }
        }
    }
    faults
}

fn matched(rule: &Value) -> impl Iterator<Item = (&Value, &Value, &Value)> {
    let groups = list(&rule["apiGroups"]).iter();
    let versions = groups.flat_map(|group| list(&rule["apiVersions"]).iter().map(move |version| (group, version)));
    versions.flat_map(|(group, version)| list(&rule["resources"]).iter().map(move |r| (group, version, r)))
}

fn serves(crd: &Object, group: &Value, version: &Value, resource: &Value) -> bool {
    crd.at("/spec/group") == group
        && crd.at("/spec/names/plural") == resource
        && crd.list("/spec/versions").iter().any(|served| served["name"] == *version && served["served"] == true)
}
