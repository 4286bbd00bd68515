//! Whether the nodes of a role are still on their way to what the spec says.

use super::{ConditionType, Fact};
use crate::desired::{Desired, Role};
use crate::lifecycle::{Hold, Revisions};
use crate::reason::{Reason, Weight};
use crate::text::few;
use crate::world::{Pool, World};
use emqx_operator_api::hub::UpdateStrategyType;

pub(super) fn cores(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Option<Fact> {
    let kind = ConditionType::CoreNodesProgressing;
    let wanted = desired.cores.replicas;
    let (pool, revision) = (&world.cores, Some(revisions.cores.as_str()));
    Some(Case { role: Role::Core, wanted, pool, revision, world, holds, update: update(desired) }.fact(kind))
}

/// Absent when there are no replicants and should be none.
pub(super) fn replicants(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Option<Fact> {
    let wanted = desired.replicants_wanted();
    if wanted == 0 && world.replicants.spec_replicas() == 0 && world.replicants.nodes.is_empty() {
        return None;
    }
    let kind = ConditionType::ReplicantNodesProgressing;
    let revision = revisions.replicants.as_deref();
    let pool = &world.replicants;
    Some(Case { role: Role::Replicant, wanted, pool, revision, world, holds, update: update(desired) }.fact(kind))
}

struct Case<'a> {
    role: Role,
    wanted: i32,
    pool: &'a Pool,
    revision: Option<&'a str>,
    world: &'a World,
    holds: &'a [Hold],
    /// What changing nodes is called.
    update: Reason,
}

fn update(desired: &Desired) -> Reason {
    match desired.update_strategy.strategy {
        UpdateStrategyType::RollingUpdate => Reason::RollingUpdate,
        UpdateStrategyType::BlueGreen => Reason::BlueGreenUpdate,
    }
}

impl Case<'_> {
    fn fact(&self, kind: ConditionType) -> Fact {
        let Case { wanted, pool, .. } = self;
        let (wanted, noun) = (*wanted, self.role.as_str());
        let told = pool.spec_replicas();
        let updated = self.revision.map_or(0, |revision| pool.of_revision(revision));
        let knows = self.world.broker.fresh().is_some();
        let (holds, reason, message) = if pool.sets.is_empty() && wanted > 0 {
            (true, Reason::Create, format!("spinning up {noun} set"))
        } else if updated < pool.existing() && wanted > 0 {
            (true, self.update, format!("{updated}/{wanted} {noun} pods updated"))
        } else if told < wanted {
            (true, Reason::ScalingUp, format!("{told}/{wanted} {noun} pods"))
        } else if told > wanted {
            (true, Reason::ScalingDown, format!("{told}/{wanted} {noun} pods"))
        } else if pool.ready() < wanted {
            (true, Reason::Starting, waiting_for_ready(pool, wanted, noun))
        } else if knows && pool.members() < wanted {
            (true, Reason::Starting, waiting_for_members(pool, wanted, noun))
        } else {
            (false, Reason::Converged, format!("{wanted} {noun} pods up to date"))
        };
        Fact::new(kind, holds, reason, if holds { self.with_hold(message) } else { message })
    }

    /// What is awaited, in the words of the rule that waits.
    fn with_hold(&self, message: String) -> String {
        let about = |hold: &&Hold| {
            hold.reason.weight() == Weight::Progress
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
