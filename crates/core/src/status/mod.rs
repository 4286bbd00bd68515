//! The status and the events of a resource. One file per kind of condition; nothing here decides what the operator does.

mod conditions;
mod events;
mod lists;
mod merge;
mod report;

pub use conditions::{Condition, ConditionStatus, ConditionType};
pub use events::{EventText, event};
pub use merge::{Due, failed, merge, refused};
pub use report::Report;

use crate::desired::Desired;
use crate::lifecycle::{Hold, Revisions};
use crate::world::World;

/// The status of a resolved spec.
pub(crate) fn derive(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Report {
    Report {
        conditions: conditions::derive(desired, world, revisions, holds),
        status: lists::derive(desired, world, revisions),
        nodes_known: world.broker.fresh().is_some(),
    }
}
