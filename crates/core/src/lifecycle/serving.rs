//! Who serves, and how the kubelet finds out whether a node does.

use super::fleet::Fleet;
use crate::desired::{Desired, Role};
use crate::world::{Kind, World};
use emqx_operator_api::label;

/// Whether probes ask the availability endpoint. The image tells. Where it does not, a set keeps what it has, because choosing
/// late must not restart anybody; nothing is asked that a broker may not have, or it would never get ready, and only a broker
/// that is ready tells what it is.
pub(super) fn availability_check(desired: &Desired, world: &World) -> bool {
    if let Some(known) = desired.image.has_availability_check() {
        return known;
    }
    let existing = probed_path(world).map(|path| path != "/status");
    let told = edition(world).map(|edition| edition != "Opensource");
    let waits_in_vain = told == Some(false) && world.cores.available() == 0;
    existing.filter(|_| !waits_in_vain).or(told).unwrap_or(false)
}

fn probed_path(world: &World) -> Option<String> {
    let set = world.live(Kind::StatefulSet, &world.cores.sets.first()?.name)?;
    set.emqx_container()?["readinessProbe"]["httpGet"]["path"].as_str().map(str::to_owned)
}

fn edition(world: &World) -> Option<&str> {
    world.broker.fresh()?.nodes.values().find_map(|node| node.edition.as_deref())
}

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
pub(super) fn listeners_revision<'f>(fleet: &'f Fleet<'_>) -> Option<&'f str> {
    let role = listeners_role(fleet.desired, fleet.world);
    let hash = match role {
        Role::Core => fleet.desired.names.hash_of_core_set(fleet.home(role)?)?,
        Role::Replicant => &fleet.replicant_set.as_ref()?.revision,
    };
    let old = fleet.world.pool(role).nodes.iter().any(|node| !fleet.is_home(role, &node.set));
    let beside = old && (fleet.is_blue_green() || role == Role::Core);
    // Once switched it stays so while anybody serves there: the old ones are being closed.
    let switched = led_to(fleet) == Some(hash) && fleet.new_ones_serving(role) > 0;
    (beside && (switched || fleet.is_complete(role))).then_some(hash)
}

/// Whether the Service has been switched, where it is to be.
pub(super) fn leads_to_new_ones(fleet: &Fleet<'_>) -> bool {
    let wanted = listeners_revision(fleet);
    let exists = fleet.world.live(Kind::Service, &fleet.desired.names.listeners_service()).is_some();
    wanted.is_none() || !exists || led_to(fleet) == wanted
}

fn led_to<'f>(fleet: &'f Fleet<'_>) -> Option<&'f str> {
    let service = fleet.world.live(Kind::Service, &fleet.desired.names.listeners_service())?;
    service.body["spec"]["selector"][label::POD_TEMPLATE_HASH].as_str()
}
