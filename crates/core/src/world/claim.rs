//! The volumes of the cores, as the claims on them.

use jiff::Timestamp;
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
    /// What it asks for.
    pub storage: Option<Quantity>,
    /// What the volume has.
    pub capacity: Option<Quantity>,
    /// Why the volume could not be made larger, as Kubernetes tells it.
    pub resize_error: Option<String>,
}
