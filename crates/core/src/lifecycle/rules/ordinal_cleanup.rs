//! Cores that were scaled away leave nothing behind: first the node leaves the cluster, then its site is forgotten, then
//! its volume is deleted, and only then its number is free again. Numbers that the operator did not take away itself are
//! none of its business: their volumes may hold data of a user.

use crate::action::{Action, Call, Stage};
use crate::desired::{NodeName, Role};
use crate::lifecycle::evacuation_owner;
use crate::lifecycle::facts::old_core_sets;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part::delete_claim;
use crate::lifecycle::{Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, NodeSet, Reading};
use emqx_operator_api::annotation::CORE_WATERMARK;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    for set in topology.world.cores.sets.iter().filter(|set| old_core_sets::is_ours(topology, set)) {
        match set.retired() {
            Some(ordinal) => retire(&mut part, topology, set, ordinal),
            None => watch(&mut part, topology, set),
        }
    }
    part
}

/// Numbers are written down before the first of them is taken away.
fn watch(part: &mut Part, topology: &Topology<'_>, set: &NodeSet) {
    if planted(Bug::NoWatermark) {
        return;
    }
    let may_begin = old_core_sets::is_known(topology, set);
    if set.wanted > topology.final_replicas(Role::Core, &set.name)
        && may_begin
        && set.watermark.is_none_or(|mark| mark < set.wanted)
    {
        part.actions.push(evacuation_owner::annotate_set(
            set,
            CORE_WATERMARK,
            Some(set.wanted.to_string()),
            Stage::Intent,
        ));
    }
}

fn retire(part: &mut Part, topology: &Topology<'_>, set: &NodeSet, ordinal: i32) {
    let pod = format!("{}-{ordinal}", set.name);
    let node = topology.desired.names.core_node(&pod);
    match next(part, topology, set, ordinal, &pod, &node) {
        Some(awaited) => part.hold(Reason::RetiringCore, pod, awaited, Wake::Poll(2)),
        None => {
            // For a set that is discarded it stays, and says that this has begun for good reason.
            let discarded = !topology.is_target(Role::Core, &set.name);
            let free = (ordinal > set.wanted || discarded).then(|| ordinal.to_string());
            part.actions.push(evacuation_owner::annotate_set(set, CORE_WATERMARK, free, Stage::Marks));
            // Not settled before this is written: other numbers may follow.
            part.hold(Reason::RetiringCore, pod, "nothing is left of it, and its number becomes free", Wake::Poll(2));
        }
    }
}

fn awaited(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The next step, and what is awaited; nothing when all traces are gone.
fn next(
    part: &mut Part,
    topology: &Topology<'_>,
    set: &NodeSet,
    ordinal: i32,
    pod: &str,
    node: &NodeName,
) -> Option<String> {
    if topology.world.cores.nodes.iter().any(|node| node.pod == pod) {
        return awaited("its pod is ending");
    }
    let Some(broker) = topology.world.broker.fresh() else {
        return awaited("EMQX has to be asked whether it has left");
    };
    if broker.nodes.get(node).is_some_and(|member| member.running) {
        return awaited("EMQX still lists it as running");
    }
    if broker.nodes.contains_key(node) {
        part.actions.push(Action::Call(Call::ForceLeave { node: node.clone() }));
        return awaited("it is being taken out of the EMQX cluster");
    }
    if !planted(Bug::VolumeBeforeSite)
        && let Some(awaited) = site(part, broker, node)
    {
        return Some(awaited);
    }
    let claim = topology.world.claims_of(&set.name).find(|claim| claim.ordinal == ordinal)?;
    if !claim.terminating {
        // A list can lack a node that is a member: of a core that has just booted, or while the network is cut. This comes
        // before the deletion, which waits when it fails.
        part.actions.push(Action::Call(Call::ForceLeave { node: node.clone() }));
        part.actions.push(delete_claim(claim, Reason::RetiringCore));
    }
    awaited("its volume is being deleted")
}

fn site(part: &mut Part, broker: &Broker, node: &NodeName) -> Option<String> {
    let storage = match &broker.storage {
        Reading::Fresh(storage) => storage,
        Reading::Off => return None,
        Reading::Unavailable(_) => return awaited("EMQX has to be asked about its site"),
    };
    let site = storage.site_of(node)?;
    let shards = storage.shards_on(site);
    if shards > 0 {
        return Some(format!("its site {site} still holds {shards} shards"));
    }
    let needed = !storage.databases.is_empty();
    part.actions.push(Action::Call(Call::ForgetSite { site: site.to_owned(), needed }));
    needed.then(|| format!("its site {site} is being forgotten"))
}
