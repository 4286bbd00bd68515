//! The volumes of the cores, as the claims on them.

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
    /// It has a volume, or had one that is lost.
    pub bound: bool,
    /// What it asks for.
    pub storage: Option<Quantity>,
    /// What the volume has.
    pub capacity: Option<Quantity>,
    /// Why the volume could not be made larger, as Kubernetes tells it.
    pub resize_error: Option<String>,
}

/// Whether a claim has a volume, or had one that is lost.
pub fn has_volume(claim: &PersistentVolumeClaim) -> bool {
    let named = claim.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).is_some_and(|name| !name.is_empty());
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    named || phase.is_some_and(|phase| phase != "Pending")
}
