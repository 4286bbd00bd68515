//! The custom resources of the EMQX operator.
//!
//! One module per API version holds plain types; [`hub`] is the version that is stored and that the operator works
//! with. The doc comment of a field is its manual: it becomes the description in the CRD, so `kubectl explain` shows it.

// Printer columns repeat attribute names by nature.
#![allow(clippy::duplicated_attributes)]

mod crd;
mod keys;
pub mod normalize;
mod schema;
pub mod v3beta1;

pub use crd::{all_crds, emqx_crd};
pub use keys::{annotation, label};

/// The version that is stored; all others convert to it and from it.
pub use v3beta1 as hub;

/// The API group of every kind here.
pub const GROUP: &str = "apps.emqx.io";
