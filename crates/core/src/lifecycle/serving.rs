//! Who serves, and how the kubelet finds out whether a node does.

use crate::desired::{Desired, Role};
use crate::world::{Kind, World};
use emqx_operator_api::label;

/// Whether probes ask the availability endpoint. The image tells; where it does not, a set whose pods are available
/// keeps what it has, because choosing late must not restart a healthy cluster; else the broker itself tells.
pub(super) fn availability_check(desired: &Desired, world: &World) -> bool {
    if let Some(known) = desired.image.has_availability_check() {
        return known;
    }
    let existing = probed_path(desired, world).map(|path| path != "/status");
    let told = edition(world).map(|edition| edition != "Opensource");
    let healthy = world.cores.available() > 0;
    let chosen = if healthy { existing.or(told) } else { told.or(existing) };
    chosen.unwrap_or(true)
}

fn probed_path(desired: &Desired, world: &World) -> Option<String> {
    let set = world.live(Kind::StatefulSet, &desired.names.core_set())?;
    let containers = set.body["spec"]["template"]["spec"]["containers"].as_array()?;
    let emqx = containers.iter().find(|container| container["name"] == "emqx")?;
    emqx["readinessProbe"]["httpGet"]["path"].as_str().map(str::to_owned)
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
