//! Counts and lists of the status.

use crate::build::selector;
use crate::desired::{Desired, Role};
use crate::lifecycle::{Revisions, running_config_revision};
use crate::world::{Node, ReplicaState, World};
use emqx_operator_api::hub::{
    ConfigStatus, CoreNodesStatus, Database, DsReplication, EMQXStatus, EmqxNode, NodeEvacuation, ReplicantNodesStatus,
};
use std::collections::BTreeSet;

pub(super) fn derive(desired: &Desired, world: &World, revisions: &Revisions) -> EMQXStatus {
    let serving = world.nodes().filter(|node| node.is_ready()).count();
    EMQXStatus {
        observed_generation: Some(desired.generation),
        conditions: Vec::new(),
        ready_nodes: Some(format!("{serving}/{}", desired.nodes_wanted())),
        version: versions(world),
        core_replicas: world.cores.existing(),
        core_selector: Some(serialized_selector(desired, Role::Core)),
        replicant_replicas: world.replicants.existing(),
        replicant_selector: Some(serialized_selector(desired, Role::Replicant)),
        core_nodes: nodes(&world.cores.nodes),
        replicant_nodes: nodes(&world.replicants.nodes),
        core_nodes_status: Some(core_counts(world, revisions)),
        replicant_nodes_status: Some(replicant_counts(world, revisions)),
        cluster_nodes: world.nodes().filter_map(listed).take(MOST_LISTED).collect(),
        node_evacuations: evacuations(world),
        ds_replication: databases(world),
        config: Some(config(desired, world)),
    }
}

/// All running versions; several during an upgrade.
fn versions(world: &World) -> Option<String> {
    let versions: BTreeSet<_> = world.nodes().filter_map(|node| node.broker.as_ref()?.version.as_deref()).collect();
    (!versions.is_empty()).then(|| versions.into_iter().collect::<Vec<_>>().join(","))
}

fn nodes(nodes: &[Node]) -> Vec<EmqxNode> {
    nodes.iter().filter_map(listed).collect()
}

/// Kubernetes refuses a status of more than a megabyte, and each node is listed twice.
const MOST_LISTED: usize = 1000;

fn listed(node: &Node) -> Option<EmqxNode> {
    let broker = node.broker.as_ref()?;
    let status = broker.status.clone().unwrap_or_else(|| if broker.running { "running" } else { "stopped" }.to_owned());
    Some(EmqxNode {
        name: node.name.as_ref()?.to_string(),
        pod_name: Some(node.pod.clone()),
        status: Some(status),
        otp_release: broker.otp_release.clone(),
        version: broker.version.clone(),
        role: broker.role.clone(),
        sessions: broker.sessions,
        connections: broker.connections,
    })
}

/// The most entries of a list that only EMQX bounds: Kubernetes refuses a status of more than a megabyte.
const SHOWN: usize = 64;

fn evacuations(world: &World) -> Vec<NodeEvacuation> {
    let all = world.broker.fresh().and_then(|broker| broker.evacuations.fresh());
    let shown =
        all.into_iter().flatten().filter(|(_, evacuation)| !evacuation.is_rebalance()).map(|(node, evacuation)| {
            NodeEvacuation {
                node_name: node.to_string(),
                state: Some(evacuation.parameters.state.clone()),
                session_recipients: evacuation.parameters.recipients.iter().take(SHOWN).cloned().collect(),
                session_eviction_rate: evacuation.parameters.session_rate,
                connection_eviction_rate: evacuation.parameters.connection_rate,
                initial_sessions: evacuation.parameters.initial_sessions,
                initial_connections: evacuation.parameters.initial_connections,
            }
        });
    shown.take(SHOWN).collect()
}

/// Only if a database exists: without one durable storage is disabled.
fn databases(world: &World) -> Option<DsReplication> {
    let storage = world.broker.fresh()?.storage.fresh()?;
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let dbs: Vec<_> = storage
        .databases
        .iter()
        .map(|(name, shards)| {
            let replicas = || shards.iter().map(|shard| shard.replicas.len());
            let lost = shards.iter().flat_map(|shard| shard.replicas.values()).filter(|s| **s == ReplicaState::Lost);
            Database {
                name: name.clone(),
                num_shards: count(shards.len()),
                num_shard_replicas: count(replicas().sum()),
                lost_shard_replicas: count(lost.count()),
                num_transitions: count(shards.iter().map(|shard| shard.joining.len() + shard.leaving.len()).sum()),
                min_replicas: count(replicas().min().unwrap_or(0)),
                max_replicas: count(replicas().max().unwrap_or(0)),
            }
        })
        .collect();
    (!dbs.is_empty()).then_some(DsReplication { dbs })
}

/// `current_replicas` counts pods of the template before the change, or all pods if all have the wanted template.
fn core_counts(world: &World, revisions: &Revisions) -> CoreNodesStatus {
    let (all, updated) = (world.cores.existing(), world.cores.of_revision(&revisions.cores));
    let before = all.saturating_sub(updated);
    CoreNodesStatus {
        ready_replicas: world.cores.ready(),
        updated_replicas: updated,
        current_replicas: if before == 0 { all } else { before },
    }
}

fn replicant_counts(world: &World, revisions: &Revisions) -> ReplicantNodesStatus {
    let pool = &world.replicants;
    let update = revisions.replicants.clone();
    // The template of the outdated pods; without outdated pods, the template of all pods.
    let old = pool.sets.iter().filter(|set| set.revision != update && set.wanted > 0).max_by_key(|set| set.wanted);
    let current = old.and_then(|set| set.revision.clone()).or_else(|| update.clone());
    let count = |revision: Option<&str>| revision.map_or(0, |revision| pool.of_revision(revision));
    ReplicantNodesStatus {
        ready_replicas: pool.ready(),
        current_replicas: count(current.as_deref()),
        update_replicas: count(update.as_deref()),
        update_revision: update,
        current_revision: current,
        collision_count: None,
    }
}

fn config(desired: &Desired, world: &World) -> ConfigStatus {
    let active: BTreeSet<_> =
        world.nodes().filter(|node| node.is_ready()).filter_map(|node| node.startup_revision.clone()).collect();
    ConfigStatus {
        desired_revision: Some(desired.config.revision.clone()),
        runtime_revision: running_config_revision(desired, world),
        desired_startup_revision: desired.config.startup_revision.clone(),
        active_startup_revisions: active.into_iter().collect(),
    }
}

fn serialized_selector(desired: &Desired, role: Role) -> String {
    let labels = selector(&desired.names, role);
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
