//! A NetworkPolicy lets pass what its pods serve: a port that they do not have protects nothing and opens nothing.

use super::{Fault, fault};
use crate::manifests::objects::{Variant, list, shown};

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for policy in variant.of_kind("NetworkPolicy") {
        let pods = variant.selected(policy.namespace(), policy.at("/spec/podSelector/matchLabels"));
        for (rule, ingress) in policy.list("/spec/ingress").iter().enumerate() {
            for (index, port) in list(&ingress["ports"]).iter().enumerate() {
                for pod in pods.iter().filter(|pod| !port["port"].is_null() && !pod.declares(&port["port"])) {
                    let field = format!("spec.ingress[{rule}].ports[{index}].port");
                    let problem = format!("{} has no port {}", pod.owner.describe(), shown(&port["port"]));
                    faults.push(fault(policy, field, problem, format!("use one of: {}", pod.declared())));
                }
            }
        }
    }
    faults
}
