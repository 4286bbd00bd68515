//! How the kubelet finds out whether a node serves.

use crate::desired::Desired;
use crate::world::{Kind, World};

/// Whether probes ask the availability endpoint. The image tells. Where it does not, a set keeps what it has, because choosing
/// late must not restart anybody; nothing is asked that a broker may not have, or it would never get ready, and only a broker
/// that is ready tells what it is.
pub(in crate::lifecycle) fn availability_check(desired: &Desired, world: &World) -> bool {
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
