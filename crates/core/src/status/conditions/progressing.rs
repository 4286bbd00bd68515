//! Whether the nodes of a role still differ from the spec.

use super::{Condition, ConditionType};
use crate::desired::{Desired, Role};
use crate::lifecycle::{Hold, Revisions};
use crate::reason::{Reason, Severity};
use crate::text::few;
use crate::world::{Pool, World};
use emqx_operator_api::hub::UpdateStrategyType;

pub(super) fn cores(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Option<Condition> {
    let kind = ConditionType::CoreNodesProgressing;
    let wanted = desired.cores.replicas;
    let (pool, revision) = (&world.cores, Some(revisions.cores.as_str()));
    Some(
        RolloutProgress { role: Role::Core, wanted, pool, revision, world, holds, update: update(desired) }
            .condition(kind),
    )
}

/// Absent if there are no replicants and the spec wants none.
pub(super) fn replicants(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Option<Condition> {
    let wanted = desired.replicants_wanted();
    if wanted == 0 && world.replicants.spec_replicas() == 0 && world.replicants.nodes.is_empty() {
        return None;
    }
    let kind = ConditionType::ReplicantNodesProgressing;
    let revision = revisions.replicants.as_deref();
    let pool = &world.replicants;
    Some(
        RolloutProgress { role: Role::Replicant, wanted, pool, revision, world, holds, update: update(desired) }
            .condition(kind),
    )
}

struct RolloutProgress<'a> {
    role: Role,
    wanted: i32,
    pool: &'a Pool,
    revision: Option<&'a str>,
    world: &'a World,
    holds: &'a [Hold],
    /// The reason while nodes are replaced.
    update: Reason,
}

fn update(desired: &Desired) -> Reason {
    match desired.update_strategy.strategy {
        UpdateStrategyType::RollingUpdate => Reason::RollingUpdate,
        UpdateStrategyType::BlueGreen => Reason::BlueGreenUpdate,
    }
}

impl RolloutProgress<'_> {
    fn condition(&self, kind: ConditionType) -> Condition {
        let RolloutProgress { wanted, pool, .. } = self;
        let (wanted, noun) = (*wanted, self.role.as_str());
        let spec_replicas = pool.spec_replicas();
        let updated = self.revision.map_or(0, |revision| pool.of_revision(revision));
        let knows = self.world.broker.fresh().is_some();
        let (holds, reason, message) = if pool.sets.is_empty() && wanted > 0 {
            (true, Reason::Create, format!("spinning up {noun} set"))
        } else if updated < pool.existing() && wanted > 0 {
            (true, self.update, format!("{updated}/{wanted} {noun} pods updated"))
        } else if spec_replicas < wanted {
            (true, Reason::ScalingUp, format!("{spec_replicas}/{wanted} {noun} pods"))
        } else if spec_replicas > wanted {
            (true, Reason::ScalingDown, format!("{spec_replicas}/{wanted} {noun} pods"))
        } else if pool.ready() < wanted {
            (true, Reason::Starting, waiting_for_ready(pool, wanted, noun))
        } else if knows && pool.members() < wanted {
            (true, Reason::Starting, waiting_for_members(pool, wanted, noun))
        } else {
            (false, Reason::Converged, format!("{wanted} {noun} pods up to date"))
        };
        Condition::new(kind, holds, reason, if holds { self.with_hold(message) } else { message })
    }

    /// Appends the hold of the rule that waits.
    fn with_hold(&self, message: String) -> String {
        let about = |hold: &&Hold| {
            hold.reason.severity() == Severity::Progress
                && (self.pool.nodes.iter().any(|node| node.pod == hold.subject)
                    || self.pool.sets.iter().any(|set| set.name == hold.subject))
        };
        match self.holds.iter().find(about) {
            Some(hold) => format!("{message}; {} {hold}", hold.subject),
            None => message,
        }
    }
}

fn waiting_for_ready(pool: &Pool, wanted: i32, noun: &str) -> String {
    let waiting: Vec<_> = pool.nodes.iter().filter(|node| !node.is_ready()).map(|node| node.pod.as_str()).collect();
    let text = format!("{}/{wanted} {noun} pods ready", pool.ready());
    if waiting.is_empty() { text } else { format!("{text}; waiting for {}", few(&waiting)) }
}

fn waiting_for_members(pool: &Pool, wanted: i32, noun: &str) -> String {
    let running = |node: &&crate::world::Node| node.broker.as_ref().is_some_and(|broker| broker.running);
    let waiting: Vec<_> = pool.nodes.iter().filter(|node| !running(node)).map(|node| node.pod.as_str()).collect();
    format!("{}/{wanted} {noun} nodes have joined the EMQX cluster; waiting for {}", pool.members(), few(&waiting))
}
