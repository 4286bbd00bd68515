//! What we must remember about nodes that are being emptied: that it was us. It stands where it outlives what happens to
//! the node: for a core, whose pod is recreated, on its set; for a replicant on its pod.

use crate::action::{Action, Stage};
use crate::desired::Role;
use crate::world::ObjectVersion;
use crate::world::{Kind, Node, NodeSet, ObjectId, World};
use emqx_operator_api::annotation;
use std::collections::BTreeMap;

/// A ReplicaSet deletes pods of low cost first: pods that are being evacuated, and before them the pod whose turn it is.
const EMPTYING: i32 = -1000;
const CHOSEN: i32 = -2000;

/// To be written before an evacuation is started.
pub(in crate::lifecycle) fn begin(world: &World, node: &Node) -> Option<Action> {
    if node.evacuating_by_us {
        return None;
    }
    match node.role {
        Role::Core => set_of(world, node).map(|set| {
            let mut pods = set.evacuating.clone();
            pods.push(node.pod.clone());
            on_set(set, &pods, Stage::Intent)
        }),
        Role::Replicant => {
            let cost = node.deletion_cost.min(EMPTYING).to_string();
            let marks = [(annotation::EVACUATING, Some("true".to_owned())), (annotation::DELETION_COST, Some(cost))];
            Some(on_pod(node, marks.into()))
        }
    }
}

/// To be written before a ReplicaSet shrinks: of all its pods it shall take this one.
pub(in crate::lifecycle) fn choose(node: &Node, rival: &Node) -> Action {
    let cost = rival.deletion_cost.saturating_sub(1).min(CHOSEN);
    on_pod(node, [(annotation::DELETION_COST, Some(cost.to_string()))].into())
}

/// To be written when the node is open again.
pub(in crate::lifecycle) fn end(world: &World, node: &Node) -> Option<Action> {
    match node.role {
        Role::Core => set_of(world, node).map(|set| drop_from(set, &[node.pod.as_str()])),
        Role::Replicant => {
            Some(on_pod(node, [(annotation::EVACUATING, None), (annotation::DELETION_COST, None)].into()))
        }
    }
}

/// These cores are open again, or gone for good.
pub(in crate::lifecycle) fn drop_from(set: &NodeSet, gone: &[&str]) -> Action {
    let stay: Vec<_> = set.evacuating.iter().filter(|pod| !gone.contains(&pod.as_str())).cloned().collect();
    on_set(set, &stay, Stage::Marks)
}

fn set_of<'a>(world: &'a World, node: &Node) -> Option<&'a NodeSet> {
    world.cores.sets.iter().find(|set| set.name == node.set)
}

fn on_set(set: &NodeSet, pods: &[String], stage: Stage) -> Action {
    annotate_set(set, annotation::EVACUATING, (!pods.is_empty()).then(|| pods.join(",")), stage)
}

/// One annotation of a core set.
pub(in crate::lifecycle) fn annotate_set(
    set: &NodeSet,
    key: &'static str,
    value: Option<String>,
    stage: Stage,
) -> Action {
    Action::Annotate {
        id: ObjectId { kind: Kind::StatefulSet, name: set.name.clone() },
        on: ObjectVersion { uid: set.uid.clone(), resource_version: set.resource_version.clone() },
        annotations: BTreeMap::from([(key, value)]),
        stage,
    }
}

fn on_pod(node: &Node, annotations: BTreeMap<&'static str, Option<String>>) -> Action {
    let stage = if annotations.values().any(Option::is_some) { Stage::Intent } else { Stage::Marks };
    Action::Annotate {
        id: ObjectId { kind: Kind::Pod, name: node.pod.clone() },
        on: ObjectVersion { uid: node.uid.clone(), resource_version: node.resource_version.clone() },
        annotations,
        stage,
    }
}
