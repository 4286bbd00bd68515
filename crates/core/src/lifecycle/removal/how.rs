//! The two ways in which a node goes.

use crate::world::ObjectId;
use serde::Serialize;

/// How a node goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum How {
    /// Its pod is deleted, and its set makes it again from the new template, with the same volume.
    Recreate,
    /// Its set gets smaller.
    ScaleIn { set: ObjectId, from: i32, to: i32 },
}
