//! Which core sets beside the wanted one may be emptied, and whether it is their turn.

use super::topology::Topology;
use crate::desired::{NodeName, Role};
use crate::planted::{Bug, planted};
use crate::world::{Kind, Live, Node, NodeSet};

/// Whether the cluster that goes on has what the cores of this set have: they were in it, or came later. One that was down
/// while the others formed a cluster of their own is a stranger to them.
pub(in crate::lifecycle) fn is_known(topology: &Topology<'_>, set: &NodeSet) -> bool {
    let Some(home) = topology.target_set(Role::Core).filter(|home| home.name != set.name) else { return true };
    let begun = set.watermark.is_some();
    let of_set = |node: &NodeName| {
        let core = topology.desired.names.ordinal_of_core(&set.name, node);
        core.is_some_and(|ordinal| (0..set.wanted).contains(&ordinal))
    };
    let listed = topology.world.broker.fresh().is_some_and(|broker| broker.nodes.keys().any(of_set));
    begun || listed || set.created > home.created
}

/// Whether it is the turn of this core. Until then, and again when the new ones fail, it stays open for clients.
pub(in crate::lifecycle) fn has_begun(topology: &Topology<'_>, core: Option<&Node>) -> bool {
    core.is_none_or(|core| core.is_down() && !core.is_member())
        || awaited(topology).is_none()
        || planted(Bug::DiscardEarly)
}

/// The new cores take over first; then the old replicants go, while the cores that they follow are still there.
pub(in crate::lifecycle) fn awaited(topology: &Topology<'_>) -> Option<String> {
    let (new, wanted) = (topology.new_ones_serving(Role::Core), topology.wanted(Role::Core));
    if new < wanted {
        return Some(format!("until {wanted} new cores serve; {new} do now"));
    }
    let old = topology.outdated(Role::Replicant).filter(|node| !node.is_down()).count();
    (old > 0).then(|| format!("until {old} old replicants are gone"))
}

/// The operator takes nothing from a set that another controller owns.
pub(in crate::lifecycle) fn is_ours(topology: &Topology<'_>, set: &NodeSet) -> bool {
    let live = topology.world.live(Kind::StatefulSet, &set.name);
    topology.is_target(Role::Core, &set.name) || live.is_some_and(Live::is_ours)
}
