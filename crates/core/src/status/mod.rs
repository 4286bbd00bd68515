//! What users are told. One file per kind of condition, each total; nothing here decides anything.

mod conditions;
mod lists;
mod merge;
mod story;

pub use conditions::{ConditionType, Fact, Truth};
pub use merge::{Due, failed, merge, refused};
pub use story::{Told, story};

use crate::desired::Desired;
use crate::lifecycle::{Hold, Revisions};
use crate::reason::Reason;
use crate::world::World;
use emqx_operator_api::hub::EMQXStatus;
use serde::Serialize;

/// The status before it is merged with the one that was written last: conditions have no times yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// In the order in which users should read them.
    pub facts: Vec<Fact>,
    /// Everything but the conditions. Lists that only EMQX knows are `None` while it does not answer.
    pub status: EMQXStatus,
    /// Whether the lists of nodes are what EMQX said in this pass.
    pub nodes_known: bool,
}

impl Report {
    /// Whether the cluster is as the spec says.
    pub fn is_ready(&self) -> bool {
        self.facts.iter().any(|fact| fact.kind == ConditionType::Ready && fact.holds())
    }

    /// Says that an action failed, in the conditions it concerns. One that does not matter leaves the cluster ready.
    pub fn after_failure(&mut self, reason: Reason, detail: &str, matters: bool) {
        conditions::after_failure(&mut self.facts, reason, detail, matters);
    }
}

/// The status of a resolved spec.
pub(crate) fn derive(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Report {
    Report {
        facts: conditions::derive(desired, world, revisions, holds),
        status: lists::derive(desired, world, revisions),
        nodes_known: world.broker.fresh().is_some(),
    }
}
