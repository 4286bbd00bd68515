//! The one condition that scripts wait for: everything is as the spec says.

use super::{ConditionType, Fact, Truth};
use crate::desired::Role;
use crate::lifecycle::Hold;
use crate::reason::{Reason, Weight};
use crate::world::World;

/// Ready needs knowledge. While EMQX does not answer and all pods are ready, it is neither true nor false.
pub(super) fn ready(
    world: &World,
    progressing: &[Option<Fact>],
    config: &Fact,
    api: &Fact,
    degraded: Option<&Fact>,
    holds: &[Hold],
) -> Fact {
    let kind = ConditionType::Ready;
    if let Some(fact) = progressing.iter().flatten().find(|fact| fact.holds()) {
        let (reason, text) = match fact.kind {
            ConditionType::ReplicantNodesProgressing => {
                (Reason::ReplicantNodesProgressing, "Replicant nodes are progressing")
            }
            _ => (Reason::CoreNodesProgressing, "Core nodes are progressing"),
        };
        return match degraded {
            Some(trouble) => Fact::new(kind, false, trouble.reason, trouble.message.clone()),
            None => Fact::new(kind, false, reason, format!("{text}: {}", fact.message)),
        };
    }
    if world.nodes().any(|node| node.is_terminating()) {
        let leaving: Vec<_> = world.nodes().filter(|node| node.is_terminating()).collect();
        let pods: Vec<_> = leaving.iter().map(|node| node.pod.as_str()).collect();
        let cores = leaving.iter().any(|node| node.role == Role::Core);
        let reason = if cores { Reason::CoreNodesProgressing } else { Reason::ReplicantNodesProgressing };
        return match degraded {
            Some(trouble) => Fact::new(kind, false, trouble.reason, trouble.message.clone()),
            None => Fact::new(kind, false, reason, format!("waiting for {} to end", pods.join(", "))),
        };
    }
    if !config.holds() {
        return Fact::new(kind, false, config.reason, config.message.clone());
    }
    if let Some(hold) = holds.iter().find(|hold| hold.reason == Reason::RolledBack) {
        return Fact::new(kind, false, hold.reason, format!("{} {hold}", hold.subject));
    }
    if let Some(hold) = holds.iter().find(|hold| hold.reason.weight() == Weight::Progress) {
        return Fact::new(kind, false, hold.reason, format!("{} {hold}", hold.subject));
    }
    if !api.holds() && world.nodes().next().is_some() {
        let text = format!("all pods are ready, but whether they are one EMQX cluster is not known: {}", api.message);
        return Fact { kind, truth: Truth::Unknown, reason: api.reason, message: text };
    }
    Fact::new(kind, true, Reason::Ready, "Cluster is ready")
}
