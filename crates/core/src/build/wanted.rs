//! Whether an object should exist.

use super::manifest::Manifest;
use crate::reason::Reason;
use crate::world::ObjectId;

/// Whether an object should exist. Only [`Wanted::Absent`] ever leads to a deletion.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    Present(Manifest),
    Absent { id: ObjectId, because: Reason },
}
