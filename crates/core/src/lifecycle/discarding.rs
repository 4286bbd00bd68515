//! Core sets beside the one that the cores are to live in. They lose one core after the other, as any core goes that goes
//! for good: closed, emptied, without shards, and its volume only after all that. What is left then is an empty set.

use super::fleet::Fleet;
use super::{Part, Wake, delete_claim, remaking, version};
use crate::action::Action;
use crate::desired::{NodeName, Role};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Kind, Node, NodeSet, ObjectId};

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let mut part = Part::default();
    let world = fleet.world;
    for set in fleet.discarded() {
        if world.broker.fresh().is_some() && !is_known(fleet, set) {
            let text = format!(
                "stays, because EMQX knows none of its cores: their volumes may hold what no other core has. When nobody needs \
                 that: `kubectl delete statefulset {}`, then the claims of its cores",
                set.name
            );
            part.hold(Reason::VolumeLeft, set.name.clone(), text, Wake::Poll(10));
        } else if let Some(awaited) = awaited(fleet) {
            let text = format!("is kept {awaited}; then its cores go one after the other");
            part.hold(Reason::BlueGreenUpdate, set.name.clone(), text, Wake::Poll(2));
        }
    }
    for set in world.cores.sets.iter().filter(|set| !fleet.is_home(Role::Core, &set.name) && set.wanted == 0) {
        delete_empty(&mut part, fleet, set);
    }
    part
}

fn delete_empty(part: &mut Part, fleet: &Fleet<'_>, set: &NodeSet) {
    let world = fleet.world;
    let id = ObjectId { kind: Kind::StatefulSet, name: set.name.clone() };
    let Some(live) = world.objects.get(&id).filter(|live| super::is_ours(live)) else { return };
    let in_use = set.retired().is_some() || world.cores.of_set(&set.name).next().is_some();
    if planted(Bug::KeepEmptySet) || (in_use && !planted(Bug::DeleteSetEarly)) {
        return;
    }
    let left = || world.claims_of(&set.name).filter(|_| !planted(Bug::DeleteSetEarly));
    let empty = left().filter(|claim| remaking::is_empty(claim, set) && !claim.terminating);
    part.actions.extend(empty.map(|claim| delete_claim(claim, Reason::RetiringCore)));
    // Volumes that the operator did not retire itself may be somebody's data.
    if let Some(claim) = left().find(|claim| !remaking::is_empty(claim, set)) {
        let (set, claim) = (&set.name, &claim.name);
        let text = format!(
            "is empty and kept, because {claim} is left; when nobody needs it: `kubectl delete statefulset {set} && kubectl \
             delete pvc {claim}`"
        );
        part.hold(Reason::VolumeLeft, set.clone(), text, Wake::Watch);
        return;
    }
    part.hold(Reason::RetiringCore, set.name.clone(), "is empty and is being deleted", Wake::Poll(2));
    if left().next().is_none() {
        part.actions.push(Action::Delete { id, on: version(live), because: Reason::RetiringCore });
    }
}

/// Whether the cluster that goes on has what the cores of this set have: they were in it, or came later. One that was down
/// while the others formed a cluster of their own is a stranger to them.
pub(super) fn is_known(fleet: &Fleet<'_>, set: &NodeSet) -> bool {
    let Some(home) = fleet.home_set(Role::Core).filter(|home| home.name != set.name) else { return true };
    let begun = set.watermark.is_some();
    let of_set = |node: &NodeName| {
        let core = fleet.desired.names.ordinal_of_core(&set.name, node);
        core.is_some_and(|ordinal| (0..set.wanted).contains(&ordinal))
    };
    let listed = fleet.world.broker.fresh().is_some_and(|broker| broker.nodes.keys().any(of_set));
    begun || listed || set.created > home.created
}

/// Whether it is the turn of this core. Until then, and again when the new ones fail, it stays open for clients.
pub(super) fn has_begun(fleet: &Fleet<'_>, core: Option<&Node>) -> bool {
    core.is_none_or(|core| core.is_down() && !core.is_member())
        || awaited(fleet).is_none()
        || planted(Bug::DiscardEarly)
}

/// The new cores take over first; then the old replicants go, while the cores that they follow are still there.
fn awaited(fleet: &Fleet<'_>) -> Option<String> {
    let (new, wanted) = (fleet.new_ones_serving(Role::Core), fleet.wanted(Role::Core));
    if new < wanted {
        return Some(format!("until {wanted} new cores serve; {new} do now"));
    }
    let old = fleet.outdated(Role::Replicant).filter(|node| !node.is_down()).count();
    (old > 0).then(|| format!("until {old} old replicants are gone"))
}

/// A set that somebody else owns loses nothing by our hand.
pub(super) fn is_ours(fleet: &Fleet<'_>, set: &NodeSet) -> bool {
    let live = fleet.world.live(Kind::StatefulSet, &set.name);
    fleet.is_home(Role::Core, &set.name) || live.is_some_and(super::is_ours)
}
