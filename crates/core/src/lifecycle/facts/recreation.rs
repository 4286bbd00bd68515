//! Whether the core set is to be made again: the spec asks for other volumes, and none of its cores has ever had one.

use super::topology::Topology;
use crate::build::volumes_asked_for;
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::world::{Kind, Live, Node, NodeSet};

/// In place of what was asked for: once begun, all claims go, also when the spec asks for the same again.
pub(in crate::lifecycle) const GOING: &str = "going";

/// Whether the core set that the cores are to live in is to go first.
pub(in crate::lifecycle) fn is_due(topology: &Topology<'_>) -> bool {
    due(topology).is_some()
}

pub(in crate::lifecycle) fn due<'a>(topology: &Topology<'a>) -> Option<(&'a NodeSet, &'a Live)> {
    let set = topology.target_set(Role::Core)?;
    let live = topology.world.live(Kind::StatefulSet, &set.name).filter(|live| live.is_ours())?;
    let others = volumes_asked_for(live).is_some_and(|asked| asked != topology.core_set.volumes_asked_for);
    (others && never_had_any(topology, set)).then_some((set, live))
}

/// All claims were made for the set and have no volume. A core whose claim is not known may have one.
fn never_had_any(topology: &Topology<'_>, set: &NodeSet) -> bool {
    let known = |node: &Node| topology.world.claims_of(&set.name).any(|claim| Some(claim.ordinal) == node.ordinal());
    let waits = |node: &Node| node.never_ready && !node.started && known(node);
    let kept = topology.world.claims_of(&set.name).any(|claim| !claim.is_empty_of(set));
    (!kept && topology.world.cores.of_set(&set.name).all(waits)) || planted(Bug::RemakeWithVolumes)
}
