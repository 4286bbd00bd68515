//! The replicant sets: one per template. The wanted one grows as far as surge and budget allow while the others shrink.
//! It does not grow before cores of its version run, or while its own pods do not come up; an old set makes the replicants that
//! are missing meanwhile.

use crate::action::Action;
use crate::desired::Role;
use crate::lifecycle::Part;
use crate::lifecycle::facts::surge::max_surge;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Kind, Live, NodeSet, ObjectId};

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let world = topology.world;
    let mut part = Part::default();
    part.pod_issues(&world.replicants.sets, &world.replicants.nodes);
    if let Some(set) = &topology.replicant_set {
        let old = topology.old_replicants();
        let wanted = topology.wanted(Role::Replicant);
        let wanted = if planted(Bug::OneTooMany) { wanted.saturating_add(1) } else { wanted };
        let surge = if topology.is_blue_green() { old } else { max_surge(topology.desired) };
        let room = wanted.min(wanted.saturating_add(surge).saturating_sub(old)).max(0);
        // A set that does not exist yet waits for cores of its version; the one that exists is kept as it should be.
        if old == 0 || topology.cores_lead() || world.live(Kind::ReplicaSet, &set.manifest.id.name).is_some() {
            let grows = old == 0 || (topology.cores_lead() && !topology.new_replicants_fail());
            part.ensure_set(world, set.manifest.clone(), if grows { room } else { 0 });
        }
    }
    grow_old(&mut part, topology);
    forget_history(&mut part, topology);
    part
}

/// A cluster is scaled out also while its nodes are replaced, or cannot be. A core that is about to be made comes first, where
/// there is little room.
fn grow_old(part: &mut Part, topology: &Topology<'_>) {
    let world = topology.world;
    let there = if topology.is_blue_green() { topology.old_replicants() } else { world.replicants.spec_replicas() };
    let missing = topology.wanted(Role::Replicant).saturating_sub(there);
    if missing <= 0 || planted(Bug::StopScaling) || !topology.keeps_old_replicants() || topology.lacks_a_core() {
        return;
    }
    let id = |set: &NodeSet| ObjectId { kind: Kind::ReplicaSet, name: set.name.clone() };
    // One without pods has made way for the new one.
    let serves = |set: &&NodeSet| set.wanted > 0 && world.objects.get(&id(set)).is_some_and(Live::is_ours);
    let is_led = |set: &&NodeSet| {
        let mut images = world.replicants.of_set(&set.name).map(|node| &node.image);
        images.any(|image| topology.present(Role::Core).any(|core| core.is_ready() && core.image == *image))
    };
    let grows = topology.old_replicant_sets().filter(serves).filter(is_led).max_by_key(|set| set.wanted);
    if let Some(set) = grows {
        let to = set.wanted.saturating_add(missing);
        part.actions.push(Action::Scale { set: id(set), from: set.wanted, to });
    }
}

/// Empty sets of other templates are kept up to a limit, so that going back is fast. A set that a rollout has made, and that has
/// no pods yet, takes no place of theirs.
fn forget_history(part: &mut Part, topology: &Topology<'_>) {
    let current = topology.replicant_set.as_ref().map(|set| set.manifest.id.name.as_str());
    let limit = topology.desired.history_limit;
    let mut old: Vec<_> = topology
        .world
        .objects
        .iter()
        .filter(|(id, live)| id.kind == Kind::ReplicaSet && Some(id.name.as_str()) != current && live.is_ours())
        .filter(|(id, live)| {
            let told = live.body["spec"]["replicas"].as_i64().unwrap_or(1);
            told == 0 && topology.world.replicants.of_set(&id.name).next().is_none()
        })
        .collect();
    let age =
        |live: &crate::world::Live| live.body["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned();
    old.sort_by_key(|(_, live)| age(live));
    let surplus = old.len().saturating_sub(limit);
    for (id, live) in old.into_iter().take(surplus) {
        part.actions.push(Action::Delete { id: id.clone(), on: part::version(live), because: Reason::Converged });
    }
}
