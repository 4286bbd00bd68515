//! Whose pods the listeners Service leads to.

use super::topology::Topology;
use crate::desired::{Desired, Role};
use crate::world::{Kind, World};
use emqx_operator_api::label;

/// Whose pods the listeners Service leads to: replicants when there should be any. A Service that leads to cores moves
/// to replicants when the first one is ready, so that it is never left without a pod that serves.
pub fn listeners_role(desired: &Desired, world: &World) -> Role {
    let wanted = desired.replicants_wanted() > 0;
    let leads_to = world
        .live(Kind::Service, &desired.names.listeners_service())
        .and_then(|service| service.body["spec"]["selector"][label::DB_ROLE].as_str());
    match leads_to {
        Some("core") if wanted && world.replicants.ready() == 0 => Role::Core,
        _ if wanted => Role::Replicant,
        _ => Role::Core,
    }
}

/// While new nodes stand beside the old ones and are complete, the listeners Service leads to them alone: a client that is
/// sent away from an old node comes to a new one, and is sent away once. At rest it leads to all.
pub(in crate::lifecycle) fn listeners_revision<'f>(topology: &'f Topology<'_>) -> Option<&'f str> {
    let role = listeners_role(topology.desired, topology.world);
    let hash = match role {
        Role::Core => topology.desired.names.hash_of_core_set(topology.target_name(role)?)?,
        Role::Replicant => &topology.replicant_set.as_ref()?.revision,
    };
    let old = topology.world.pool(role).nodes.iter().any(|node| !topology.is_target(role, &node.set));
    let beside = old && (topology.is_blue_green() || role == Role::Core);
    // Once switched, the Service stays so while a new node serves: the old nodes are being closed.
    let switched = led_to(topology) == Some(hash) && topology.new_ones_serving(role) > 0;
    (beside && (switched || topology.is_complete(role))).then_some(hash)
}

/// Whether the Service has been switched, where it is to be.
pub(in crate::lifecycle) fn leads_to_new_ones(topology: &Topology<'_>) -> bool {
    let wanted = listeners_revision(topology);
    let exists = topology.world.live(Kind::Service, &topology.desired.names.listeners_service()).is_some();
    wanted.is_none() || !exists || led_to(topology) == wanted
}

fn led_to<'f>(topology: &'f Topology<'_>) -> Option<&'f str> {
    let service = topology.world.live(Kind::Service, &topology.desired.names.listeners_service())?;
    service.body["spec"]["selector"][label::POD_TEMPLATE_HASH].as_str()
}
