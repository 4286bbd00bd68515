//! A core set that has never had a volume, of a spec that asks for other volumes by now. Kubernetes does not let users change
//! the claims of a set or its claim templates, so a storage class that does not exist could not be corrected. Where no
//! core has ever had a volume there is nothing to lose, and the set is recreated: first its pods go, then its claims, then
//! the set itself.
//!
//! What the spec asked for when the set was made is written on the set. What others have made of the claim templates since
//! is no reason; and a set that does not say it was made by another operator, or by an earlier version of this one.

use crate::action::{Action, Stage};
use crate::build::volumes_asked_for;
use crate::desired::Role;
use crate::lifecycle::evacuation_owner;
use crate::lifecycle::facts::recreation::{GOING, due};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part::{delete_claim, version};
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{Claim, Kind, Live, Node, NodeSet, ObjectId};
use emqx_operator_api::annotation::VOLUMES_ASKED_FOR;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    match due(topology) {
        Some((set, live)) => remake(&mut part, topology, set, live),
        None => topology.target_set(Role::Core).into_iter().for_each(|set| older(&mut part, topology, set)),
    }
    part
}

fn remake(part: &mut Part, topology: &Topology<'_>, set: &NodeSet, live: &Live) {
    let id = ObjectId { kind: Kind::StatefulSet, name: set.name.clone() };
    let pods = topology.world.cores.of_set(&set.name).count();
    let left: Vec<_> = topology.world.claims_of(&set.name).collect();
    let awaited = if volumes_asked_for(live) != Some(GOING) {
        part.actions.push(evacuation_owner::annotate_set(
            set,
            VOLUMES_ASKED_FOR,
            Some(GOING.to_owned()),
            Stage::Intent,
        ));
        "that is written down first".to_owned()
    } else if set.wanted > 0 {
        part.actions.push(Action::Scale { set: id, from: set.wanted, to: 0 });
        "its pods go".to_owned()
    } else if pods > 0 || !set.observed {
        "its pods are ending".to_owned()
    } else if left.is_empty() {
        part.actions.push(Action::Delete { id, on: version(live), because: Reason::RemakingCoreSet });
        "the set is being deleted".to_owned()
    } else {
        let deletions = left.iter().filter(|claim| !claim.terminating);
        part.actions.extend(deletions.map(|claim| delete_claim(claim, Reason::RemakingCoreSet)));
        let names: Vec<_> = left.iter().map(|claim| claim.name.as_str()).collect();
        format!("{} are being deleted", names.join(", "))
    };
    let text = format!(
        "is made anew, because none of its cores has ever had a volume and the spec asked for others; {awaited}"
    );
    part.hold(Reason::RemakingCoreSet, set.name.clone(), text, Wake::Poll(2));
}

/// Claims without a volume from before the set, perhaps of a resource that was deleted: the set takes them as they are.
fn older(part: &mut Part, topology: &Topology<'_>, set: &NodeSet) {
    let waits = |claim: &Claim| {
        let waiting = |node: &Node| node.issue.as_ref().is_some_and(|wait| wait.reason == Reason::VolumePending);
        let mut cores = topology.world.cores.of_set(&set.name);
        cores.any(|node| node.ordinal() == Some(claim.ordinal) && waiting(node))
    };
    let older = |claim: &&Claim| !claim.may_hold_data && claim.created < set.created && waits(claim);
    for claim in topology.world.claims_of(&set.name).filter(older) {
        let text = format!(
            "has no volume and is older than the core set, so it may ask for other storage than the spec does; `kubectl delete \
             pvc {}` and its pod, and both are made again",
            claim.name
        );
        part.hold(Reason::VolumeLeft, claim.name.clone(), text, Wake::Watch);
    }
}
