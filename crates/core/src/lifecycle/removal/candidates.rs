//! Cores are replaced in place, or with the set that is discarded; replicants move from set to set. Scaling in is the same
//! work with other nodes. This file only names the nodes that should go; admission decides whether they may.

use super::how::How;
use super::request::Removal;
use crate::desired::Role;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::facts::{config, lost_volumes, old_core_sets, recreation};
use crate::planted::{Bug, planted};
use crate::world::{Kind, Node, NodeSet, NodeVerdict, ObjectId};

/// The nodes that should go, the next one first.
pub(in crate::lifecycle) fn candidates<'a>(topology: &Topology<'a>) -> Vec<Removal<'a>> {
    if topology.keeps_nodes() {
        return Vec::new();
    }
    let mut all = cores(topology);
    all.extend(replicants(topology));
    all
}

/// The highest number goes for good; then old ones restart, broken ones first, then from the highest number down. A core
/// that old replicants follow is not among them.
fn cores<'a>(topology: &Topology<'a>) -> Vec<Removal<'a>> {
    let mut all = Vec::new();
    for set in topology.world.cores.sets.iter().filter(|set| old_core_sets::is_ours(topology, set)) {
        if set.wanted > topology.final_replicas(Role::Core, &set.name) {
            let number = if planted(Bug::WrongOrdinal) { set.wanted } else { set.wanted.saturating_sub(1) };
            let node = topology.world.cores.of_set(&set.name).find(|node| node.ordinal() == Some(number));
            if topology.is_target(Role::Core, &set.name) || old_core_sets::has_begun(topology, node) {
                all.push(Removal { role: Role::Core, node, how: scale_in(Kind::StatefulSet, set, set.wanted) });
            }
        }
    }
    // One that is to go for good restarts as well when it is down: with the wanted template it may come up, and can give away
    // what it holds.
    let goes = |node: &&Node| (!topology.is_surplus(node) || node.is_down()) && topology.followers(node) == 0;
    let mut old: Vec<_> = topology.outdated_in_target().filter(goes).collect();
    let is_new = |core: &&Node| old.iter().all(|known| known.pod != core.pod);
    let let_in: Vec<_> = lost_volumes::let_in(topology).into_iter().filter(is_new).collect();
    old.extend(let_in);
    // Cores of a set that is recreated go with it.
    if recreation::is_due(topology) {
        old.retain(|node| !topology.is_target(Role::Core, &node.set));
    }
    // One that starts reads the configuration that EMQX refuses, or is just asked whether it does.
    match config::progress(topology) {
        _ if planted(Bug::RestartRefused) => {}
        config::Progress::InPlace => {}
        config::Progress::OnTheirWay => old.retain(|node| node.evacuating_by_us || node.is_down()),
        config::Progress::Refused => old.retain(|node| node.is_down()),
    }
    // While a core does not come up with the wanted template, the others serve as they are, also a core that was evacuated.
    let hasty = planted(Bug::RestartIntoFailure);
    if topology.verdicts(Role::Core).any(cannot_start) && !hasty {
        // An old core that crashes comes back by itself with the old template, and would not with this one.
        old.clear();
    } else if topology.verdicts(Role::Core).any(is_unsteady) && !hasty {
        // A core that does not get ready may wait for an old one, so old ones that are down themselves are replaced, too.
        old.retain(|core| core.is_down() && core.issue.is_some());
    }
    // With the others new replicants get another core to live on.
    if old.iter().any(|node| !topology.leads_alone(node)) {
        old.retain(|node| !topology.leads_alone(node));
    }
    old.sort_by_key(|node| (!node.evacuating_by_us, !node.is_down(), std::cmp::Reverse(node.ordinal())));
    // Changes of the spec can leave several closed, and then too few serve for any to go. One goes on, the others stay and
    // are opened again.
    let begun =
        old.iter().filter(|node| node.evacuating_by_us && !node.is_down()).map(|node| node.pod.as_str()).skip(1);
    let too_many: Vec<_> = begun.collect();
    old.retain(|node| !too_many.contains(&node.pod.as_str()));
    all.extend(old.into_iter().map(|node| Removal { role: Role::Core, node: Some(node), how: How::Recreate }));
    all
}

fn cannot_start(verdict: NodeVerdict) -> bool {
    match verdict {
        NodeVerdict::CannotStart | NodeVerdict::CannotStartAgain => true,
        NodeVerdict::Works
        | NodeVerdict::Starts
        | NodeVerdict::Unready
        | NodeVerdict::Settles
        | NodeVerdict::Unsteady
        | NodeVerdict::CannotBePlaced
        | NodeVerdict::NeverReady
        | NodeVerdict::Crashes => false,
    }
}

/// It does not get ready, or does not stay so.
fn is_unsteady(verdict: NodeVerdict) -> bool {
    match verdict {
        NodeVerdict::Works | NodeVerdict::Starts => false,
        NodeVerdict::Unready
        | NodeVerdict::Settles
        | NodeVerdict::Unsteady
        | NodeVerdict::CannotBePlaced
        | NodeVerdict::NeverReady
        | NodeVerdict::Crashes
        | NodeVerdict::CannotStart
        | NodeVerdict::CannotStartAgain => true,
    }
}

/// A new core that has crashed again and again and is ready now, while old ones wait for it to stay so.
pub(in crate::lifecycle) fn settling<'a>(topology: &Topology<'a>) -> Option<&'a Node> {
    topology.outdated(Role::Core).next()?;
    let settles = |core: &&Node| !topology.is_outdated(core) && core.is_ready() && core.unsteady;
    topology.present(Role::Core).find(settles)
}

fn replicants<'a>(topology: &Topology<'a>) -> Vec<Removal<'a>> {
    let mut all = Vec::new();
    for set in &topology.world.replicants.sets {
        let surplus = set.wanted.saturating_sub(topology.final_replicas(Role::Replicant, &set.name));
        for node in deletion_order(topology, set, usize::try_from(surplus).unwrap_or(0)) {
            all.push(Removal { role: Role::Replicant, node, how: scale_in(Kind::ReplicaSet, set, set.wanted) });
        }
    }
    all
}

/// In the order in which the ReplicaSet controller takes pods away, those it has not made yet first. Of these the first
/// stands for all: what is said of one holds for the others, and there can be any number of them.
fn deletion_order<'a>(topology: &Topology<'a>, set: &NodeSet, surplus: usize) -> Vec<Option<&'a Node>> {
    let mut nodes: Vec<_> = topology.present(Role::Replicant).filter(|node| node.set == set.name).collect();
    nodes.sort_by_key(|node| (node.deletion_rank(), node.pod.clone()));
    let unmade = usize::try_from(set.wanted).unwrap_or(0).saturating_sub(nodes.len()).min(surplus);
    let first_unmade = (unmade > 0).then_some(None);
    first_unmade.into_iter().chain(nodes.into_iter().take(surplus - unmade).map(Some)).collect()
}

fn scale_in(kind: Kind, set: &NodeSet, from: i32) -> How {
    How::ScaleIn { set: ObjectId { kind, name: set.name.clone() }, from, to: from.saturating_sub(1) }
}
