//! A node that should go.

use crate::desired::Role;
use crate::world::{Node, ObjectId};
use serde::Serialize;

/// A node that should go. Without a node it is a pod that was never made, which its set shall not make any more.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) role: Role,
    pub(super) node: Option<&'a Node>,
    pub(super) how: How,
}

/// How a node goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum How {
    /// Its pod is deleted, and its set makes it again from the new template, with the same volume.
    Restart,
    /// Its set gets smaller.
    Shrink { set: ObjectId, from: i32, to: i32 },
}
