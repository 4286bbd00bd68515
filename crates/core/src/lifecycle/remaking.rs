//! A core set that has never had a volume, of a spec that asks for other volumes by now. Kubernetes lets nobody change
//! the claims of a set or its claim templates, so a storage class that does not exist could not be corrected. Where no
//! core has ever had a volume there is nothing to lose, and the set is made anew: first its pods go, then its claims, then
//! the set itself.

use super::fleet::Fleet;
use super::{Part, Wake, home, version};
use crate::action::{Action, Version};
use crate::build::asks_for_the_same;
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Claim, Kind, Node, NodeSet, ObjectId};

/// Whether the core set that the cores are to live in is to go first. Claims that have begun to go all go, also when the
/// spec asks for the same volumes again.
pub(super) fn is_due(fleet: &Fleet<'_>) -> bool {
    fleet.home_set(Role::Core).is_some_and(|set| {
        let begun = set.wanted == 0 && claims(fleet, set).next().is_some();
        (begun || asks_for_others(fleet, set)) && never_had_any(fleet, set)
    })
}

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let mut part = Part::default();
    let Some(set) = fleet.home_set(Role::Core).filter(|_| is_due(fleet)) else { return part };
    let id = ObjectId { kind: Kind::StatefulSet, name: set.name.clone() };
    let Some(live) = fleet.world.objects.get(&id) else { return part };
    let pods = fleet.world.cores.of_set(&set.name).count();
    let left: Vec<_> = claims(fleet, set).collect();
    if set.wanted > 0 {
        part.actions.push(Action::Scale { set: id, from: set.wanted, to: 0 });
    } else if pods > 0 {
        // They end by themselves.
    } else if left.is_empty() {
        part.actions.push(Action::Delete { id, on: version(live), because: Reason::RemakingCoreSet });
    } else {
        part.actions.extend(left.into_iter().filter(|claim| !claim.terminating).map(delete));
    }
    let text = "is made anew, because the spec asks for other volumes and none of its cores has ever had one";
    part.hold(Reason::RemakingCoreSet, set.name.clone(), text, Wake::Poll(2));
    part
}

/// The spec asks for other volumes than the set was made for.
fn asks_for_others(fleet: &Fleet<'_>, set: &NodeSet) -> bool {
    let existing = home::claim_templates(fleet.world, &set.name);
    existing.is_some_and(|existing| !asks_for_the_same(existing, &fleet.core_set.claim_templates))
}

/// No claim has a volume. A core whose claim is not known may have one, and a set of somebody else is theirs.
fn never_had_any(fleet: &Fleet<'_>, set: &NodeSet) -> bool {
    let ours = fleet.world.live(Kind::StatefulSet, &set.name).is_some_and(super::is_ours);
    let known = |node: &Node| claims(fleet, set).any(|claim| Some(claim.ordinal) == node.ordinal());
    let waits = |node: &Node| node.never_ready && !node.started && known(node);
    let bound = claims(fleet, set).any(|claim| claim.bound) && !planted(Bug::RemakeWithVolumes);
    ours && !bound && (fleet.world.cores.of_set(&set.name).all(waits) || planted(Bug::RemakeWithVolumes))
}

pub(super) fn claims<'a>(fleet: &Fleet<'a>, set: &'a NodeSet) -> impl Iterator<Item = &'a Claim> {
    fleet.world.claims.iter().filter(|claim| claim.set == set.name)
}

/// Of a claim that never had a volume.
pub(super) fn delete(claim: &Claim) -> Action {
    Action::Delete {
        id: ObjectId { kind: Kind::PersistentVolumeClaim, name: claim.name.clone() },
        on: Version { uid: claim.uid.clone(), resource_version: claim.resource_version.clone() },
        because: Reason::RemakingCoreSet,
    }
}
