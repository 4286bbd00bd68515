//! Whether the nodes of a role are still on their way to what the spec says.

use super::{ConditionType, Fact};
use crate::desired::{Desired, Role};
use crate::reason::Reason;
use crate::world::{Pool, World};

pub(super) fn cores(desired: &Desired, world: &World) -> Option<Fact> {
    Some(pool(ConditionType::CoreNodesProgressing, Role::Core, desired.cores.replicas, &world.cores, knows(world)))
}

/// Absent when there are no replicants and should be none.
pub(super) fn replicants(desired: &Desired, world: &World) -> Option<Fact> {
    let wanted = desired.replicants_wanted();
    if wanted == 0 && world.replicants.told() == 0 && world.replicants.nodes.is_empty() {
        return None;
    }
    let kind = ConditionType::ReplicantNodesProgressing;
    Some(pool(kind, Role::Replicant, wanted, &world.replicants, knows(world)))
}

fn knows(world: &World) -> bool {
    world.broker.fresh().is_some()
}

fn pool(kind: ConditionType, role: Role, wanted: i32, pool: &Pool, knows: bool) -> Fact {
    let noun = role.as_str();
    let told = pool.told();
    let revision = pool.sets.iter().max_by_key(|set| set.wanted).and_then(|set| set.revision.as_deref());
    let updated = revision.map_or(0, |revision| pool.of_revision(revision));
    let (holds, reason, message) = if pool.sets.is_empty() && wanted > 0 {
        (true, Reason::Create, format!("spinning up {noun} set"))
    } else if told < wanted {
        (true, Reason::ScalingUp, format!("{told}/{wanted} {noun} pods"))
    } else if told > wanted {
        (true, Reason::ScalingDown, format!("{told}/{wanted} {noun} pods"))
    } else if updated < pool.existing() {
        (true, Reason::RollingUpdate, format!("{updated}/{wanted} {noun} pods updated"))
    } else if pool.ready() < wanted {
        (true, Reason::Starting, waiting_for_ready(pool, wanted, noun))
    } else if knows && pool.members() < wanted {
        (true, Reason::Starting, waiting_for_members(pool, wanted, noun))
    } else {
        (false, Reason::Converged, format!("{wanted} {noun} pods up to date"))
    };
    Fact::new(kind, holds, reason, message)
}

fn waiting_for_ready(pool: &Pool, wanted: i32, noun: &str) -> String {
    let waiting: Vec<_> = pool.nodes.iter().filter(|node| !node.ready).map(|node| node.pod.as_str()).collect();
    let text = format!("{}/{wanted} {noun} pods ready", pool.ready());
    if waiting.is_empty() { text } else { format!("{text}; waiting for {}", shortened(&waiting)) }
}

fn waiting_for_members(pool: &Pool, wanted: i32, noun: &str) -> String {
    let running = |node: &&crate::world::Node| node.broker.as_ref().is_some_and(|broker| broker.running);
    let waiting: Vec<_> = pool.nodes.iter().filter(|node| !running(node)).map(|node| node.pod.as_str()).collect();
    format!(
        "{}/{wanted} {noun} nodes have joined the EMQX cluster; waiting for {}",
        pool.members(),
        shortened(&waiting)
    )
}

fn shortened(names: &[&str]) -> String {
    const SHOWN: usize = 3;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}
