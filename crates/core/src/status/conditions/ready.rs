//! The condition that scripts wait for: the cluster is as the spec says.

use super::{Condition, ConditionStatus, ConditionType};
use crate::desired::Role;
use crate::lifecycle::Hold;
use crate::reason::{Reason, Severity};
use crate::world::World;

/// While all pods are ready and EMQX does not answer, Ready is Unknown.
pub(super) fn ready(
    world: &World,
    progressing: &[Option<Condition>],
    config: &Condition,
    api: &Condition,
    degraded: Option<&Condition>,
    holds: &[Hold],
) -> Condition {
    let kind = ConditionType::Ready;
    if let Some(condition) = progressing.iter().flatten().find(|condition| condition.holds()) {
        let (reason, text) = match condition.kind {
            ConditionType::ReplicantNodesProgressing => {
                (Reason::ReplicantNodesProgressing, "Replicant nodes are progressing")
            }
            _ => (Reason::CoreNodesProgressing, "Core nodes are progressing"),
        };
        return match degraded {
            Some(degraded) => Condition::new(kind, false, degraded.reason, degraded.message.clone()),
            None => Condition::new(kind, false, reason, format!("{text}: {}", condition.message)),
        };
    }
    if world.nodes().any(|node| node.is_terminating()) {
        let leaving: Vec<_> = world.nodes().filter(|node| node.is_terminating()).collect();
        let pods: Vec<_> = leaving.iter().map(|node| node.pod.as_str()).collect();
        let cores = leaving.iter().any(|node| node.role == Role::Core);
        let reason = if cores { Reason::CoreNodesProgressing } else { Reason::ReplicantNodesProgressing };
        return match degraded {
            Some(degraded) => Condition::new(kind, false, degraded.reason, degraded.message.clone()),
            None => Condition::new(kind, false, reason, format!("waiting for {} to terminate", pods.join(", "))),
        };
    }
    if !config.holds() {
        return Condition::new(kind, false, config.reason, config.message.clone());
    }
    if let Some(hold) = holds.iter().find(|hold| hold.reason == Reason::RolledBack) {
        return Condition::new(kind, false, hold.reason, format!("{} {hold}", hold.subject));
    }
    if let Some(hold) = holds.iter().find(|hold| hold.reason.severity() == Severity::Progress) {
        return Condition::new(kind, false, hold.reason, format!("{} {hold}", hold.subject));
    }
    if !api.holds() && world.nodes().next().is_some() {
        let text = format!(
            "all pods are ready, but it is not known whether their EMQX nodes form one cluster: {}",
            api.message
        );
        return Condition { kind, status: ConditionStatus::Unknown, reason: api.reason, message: text };
    }
    Condition::new(kind, true, Reason::Ready, "Cluster is ready")
}
