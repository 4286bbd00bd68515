//! The volumes of the cores, as the claims on them.

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

/// Whether a claim has a volume, had one that is lost, or is to get one that is filled from elsewhere.
pub fn may_hold_data(claim: &PersistentVolumeClaim) -> bool {
    let spec = claim.spec.as_ref();
    let named = spec.and_then(|spec| spec.volume_name.as_deref()).is_some_and(|name| !name.is_empty());
    let filled = spec.is_some_and(|spec| spec.data_source.is_some() || spec.data_source_ref.is_some());
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    named || filled || phase.is_some_and(|phase| phase != "Pending")
}

/// The set and the number of the core that a claim of this name belongs to: `<volume>-<set>-<ordinal>`.
pub fn core_of<'a>(names: &Names, claim: &'a str) -> Option<(&'a str, i32)> {
    let (set, ordinal) = claim.strip_prefix(&names.data_volume())?.strip_prefix('-')?.rsplit_once('-')?;
    Some((set, ordinal.parse().ok()?))
}
