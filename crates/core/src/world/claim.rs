//! The volumes of the cores, as the claims on them.

use super::pool::NodeSet;
use crate::desired::Names;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::Serialize;

/// The claim on the volume of one core.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// The set and the number of the core.
    pub set: String,
    pub ordinal: i32,
    pub created: Timestamp,
    pub terminating: bool,
    /// It has a volume, had one that is lost, or is to get one that is filled from elsewhere, such as a snapshot.
    pub may_hold_data: bool,
    /// What it asks for.
    pub storage: Option<Quantity>,
    /// What the volume has.
    pub capacity: Option<Quantity>,
    /// Why the volume could not be made larger, as Kubernetes tells it.
    pub resize_error: Option<String>,
}

impl Claim {
    /// It was made for this set, and never had a volume.
    pub fn is_empty_of(&self, set: &NodeSet) -> bool {
        !self.may_hold_data && self.created >= set.created
    }
}

/// Whether a claim has a volume, had one that is lost, or is to get one that is filled from elsewhere.
pub fn may_hold_data(claim: &PersistentVolumeClaim) -> bool {
    let spec = claim.spec.as_ref();
    let named = spec.and_then(|spec| spec.volume_name.as_deref()).is_some_and(|name| !name.is_empty());
    let filled = spec.is_some_and(|spec| spec.data_source.is_some() || spec.data_source_ref.is_some());
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    named || filled || phase.is_some_and(|phase| phase != "Pending")
}

/// What a core waits for whose claim has no volume. Whether there is such a storage class is not known here: the operator
/// does not look at what is not in its namespace.
pub(super) fn pending(claim: &PersistentVolumeClaim) -> Option<String> {
    let bound = claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    let name = claim.metadata.name.as_deref().filter(|_| !bound)?;
    let class = claim.spec.as_ref().and_then(|spec| spec.storage_class_name.as_deref());
    let (asks_for, look) = match class {
        None => {
            let text = "the default storage class, and there is none, or it does not provision";
            (text.to_owned(), "kubectl get storageclasses".to_owned())
        }
        Some("") => {
            let text = "a volume without a storage class, which has to be made by hand";
            (text.to_owned(), "kubectl get persistentvolumes".to_owned())
        }
        Some(class) => (
            format!("storage class {class}, which does not exist or does not provision here"),
            format!("kubectl get storageclass {class}"),
        ),
    };
    Some(format!(
        "claim {name} has no volume: it asks for {asks_for}; see `{look}` and `kubectl describe pvc {name}`, or correct \
         spec.coreTemplate.spec.persistentVolumeClaimSpec.storageClassName"
    ))
}

/// The set and the number of the core that a claim of this name belongs to: `<volume>-<set>-<ordinal>`.
pub fn core_of<'a>(names: &Names, claim: &'a str) -> Option<(&'a str, i32)> {
    let (set, ordinal) = claim.strip_prefix(&names.data_volume())?.strip_prefix('-')?.rsplit_once('-')?;
    Some((set, ordinal.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::pending;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    use serde_json::{Value, json};

    fn told(spec: Value, phase: &str) -> Option<String> {
        let claim = json!({"metadata": {"name": "data-core-0"}, "spec": spec, "status": {"phase": phase}});
        let claim: PersistentVolumeClaim = serde_json::from_value(claim).expect("a claim");
        pending(&claim)
    }

    #[test]
    fn a_claim_without_a_volume_names_its_storage_class() {
        let rows = [
            (json!({"storageClassName": "fast"}), "storage class fast"),
            (json!({"storageClassName": "fast"}), "claim data-core-0"),
            (json!({"storageClassName": "fast"}), "kubectl get storageclass fast"),
            (json!({}), "the default storage class, and there is none"),
            (json!({"storageClassName": ""}), "without a storage class"),
        ];
        for (spec, expected) in rows {
            let told = told(spec.clone(), "Pending").expect("it waits");
            assert!(told.contains(expected), "{spec}: {told}");
        }
        assert_eq!(told(json!({"storageClassName": "fast"}), "Bound"), None);
    }
}
