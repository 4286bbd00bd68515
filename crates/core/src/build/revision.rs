//! The revision of a pod template: when it changes, pods are replaced.
//!
//! A golden test freezes the revision of every example. Changing what enters it restarts every user's cluster when the
//! operator is upgraded, so that needs an ADR and an entry in the changelog. What a later version only adds belongs into
//! [`super::additions`], which come after the revision is computed.

use crate::desired::{canonical, digest};
use k8s_openapi::api::core::v1::PodTemplateSpec;

/// Ten characters, as a label value and as a part of a name.
pub(super) fn revision(template: &PodTemplateSpec) -> String {
    let value = serde_json::to_value(template).expect("Kubernetes types are plain data");
    digest(&canonical(&value))[..10].to_owned()
}
