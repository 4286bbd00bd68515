//! Objects that belong to the whole cluster have no namespace: kustomize writes one on kinds that it does not know.

use super::{Fault, fault};
use crate::manifests::objects::Variant;

const OF_THE_CLUSTER: [&str; 6] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let objects = variant.objects.iter().filter(|object| OF_THE_CLUSTER.contains(&object.kind()));
    let placed = objects.filter(|object| !object.namespace().is_empty());
    placed.map(|object| fault(object, "metadata.namespace", "the kind has no namespaces", "remove it")).collect()
}
