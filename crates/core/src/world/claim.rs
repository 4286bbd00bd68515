//! The volumes of the cores, as the claims on them.

use serde::Serialize;

/// The claim on the volume of one core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Claim {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// The set and the number of the core.
    pub set: String,
    pub ordinal: i32,
    pub terminating: bool,
}
