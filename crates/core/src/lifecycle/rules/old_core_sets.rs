//! Core sets beside the one that the cores are to live in. They lose one core after the other, as any core goes that goes
//! for good: closed, emptied, without shards, and its volume only after all that. What is left then is an empty set.

use crate::action::Action;
use crate::desired::Role;
use crate::lifecycle::facts::old_core_sets::{awaited, is_known};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part::{delete_claim, version};
use crate::lifecycle::{Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Kind, NodeSet, ObjectId};

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let world = topology.world;
    for set in topology.old_core_sets() {
        if world.broker.fresh().is_some() && !is_known(topology, set) {
            let text = format!(
                "stays, because EMQX knows none of its cores: their volumes may hold what no other core has. When nobody needs \
                 that: `kubectl delete statefulset {}`, then the claims of its cores",
                set.name
            );
            part.hold(Reason::VolumeLeft, set.name.clone(), text, Wake::Poll(10));
        } else if let Some(awaited) = awaited(topology) {
            let text = format!("is kept {awaited}; then its cores go one after the other");
            part.hold(Reason::BlueGreenUpdate, set.name.clone(), text, Wake::Poll(2));
        }
    }
    for set in world.cores.sets.iter().filter(|set| !topology.is_target(Role::Core, &set.name) && set.wanted == 0) {
        delete_empty(&mut part, topology, set);
    }
    part
}

fn delete_empty(part: &mut Part, topology: &Topology<'_>, set: &NodeSet) {
    let world = topology.world;
    let id = ObjectId { kind: Kind::StatefulSet, name: set.name.clone() };
    let Some(live) = world.objects.get(&id).filter(|live| live.is_ours()) else { return };
    let in_use = set.retired().is_some() || world.cores.of_set(&set.name).next().is_some();
    if planted(Bug::KeepEmptySet) || (in_use && !planted(Bug::DeleteSetEarly)) {
        return;
    }
    let left = || world.claims_of(&set.name).filter(|_| !planted(Bug::DeleteSetEarly));
    let empty = left().filter(|claim| claim.is_empty_of(set) && !claim.terminating);
    part.actions.extend(empty.map(|claim| delete_claim(claim, Reason::RetiringCore)));
    // Volumes that the operator did not retire itself may hold data of a user.
    if let Some(claim) = left().find(|claim| !claim.is_empty_of(set)) {
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
