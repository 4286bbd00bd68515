//! What a reconcile tells of a cluster.

use super::conditions::{self, Condition, ConditionType};
use crate::reason::Reason;
use emqx_operator_api::hub::EMQXStatus;
use serde::Serialize;

/// The status before it is merged with the last written status: conditions have no times yet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// In the order in which users should read them.
    pub conditions: Vec<Condition>,
    /// Everything but the conditions. Lists that only EMQX knows are `None` while it does not answer.
    pub status: EMQXStatus,
    /// Whether the lists of nodes are what EMQX said in this reconcile.
    pub nodes_known: bool,
}

impl Report {
    /// Whether the cluster is as the spec says.
    pub fn is_ready(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind == ConditionType::Ready && condition.holds())
    }

    /// Reports a failed action in the conditions it concerns. An action that does not `matter` leaves the cluster ready.
    pub fn after_failure(&mut self, reason: Reason, detail: &str, matters: bool) {
        conditions::after_failure(&mut self.conditions, reason, detail, matters);
    }
}
