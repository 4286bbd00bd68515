//! Counts and lists of the status.

use crate::build::selector;
use crate::desired::{Desired, Role};
use crate::lifecycle::running_config_revision;
use crate::world::{Node, World};
use emqx_operator_api::hub::{ConfigStatus, CoreNodesStatus, EMQXStatus, EmqxNode, ReplicantNodesStatus};
use std::collections::BTreeSet;

pub(super) fn derive(desired: &Desired, world: &World) -> EMQXStatus {
    let serving = world.nodes().filter(|node| node.ready && !node.terminating).count();
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
        core_nodes_status: Some(core_counts(world)),
        replicant_nodes_status: replicant_counts(desired, world),
        node_evacuations: Vec::new(),
        ds_replication: None,
        config: Some(config(desired, world)),
    }
}

/// All versions that run, for example during an upgrade.
fn versions(world: &World) -> Option<String> {
    let versions: BTreeSet<_> = world.nodes().filter_map(|node| node.broker.as_ref()?.version.as_deref()).collect();
    (!versions.is_empty()).then(|| versions.into_iter().collect::<Vec<_>>().join(","))
}

fn nodes(nodes: &[Node]) -> Vec<EmqxNode> {
    let listed = nodes.iter().filter_map(|node| {
        let broker = node.broker.as_ref()?;
        Some(EmqxNode {
            name: node.name.as_ref()?.to_string(),
            pod_name: Some(node.pod.clone()),
            status: Some(if broker.running { "running" } else { "stopped" }.to_owned()),
            otp_release: broker.otp_release.clone(),
            version: broker.version.clone(),
            role: broker.role.clone(),
            sessions: broker.sessions,
            connections: broker.connections,
        })
    });
    listed.collect()
}

fn core_counts(world: &World) -> CoreNodesStatus {
    let wanted = world.cores.sets.first().and_then(|set| set.revision.as_deref());
    CoreNodesStatus {
        ready_replicas: world.cores.ready(),
        updated_replicas: wanted.map_or(0, |revision| world.cores.of_revision(revision)),
        current_replicas: world.cores.existing(),
    }
}

fn replicant_counts(desired: &Desired, world: &World) -> Option<ReplicantNodesStatus> {
    let pool = &world.replicants;
    if desired.replicants.is_none() && pool.sets.is_empty() {
        return None;
    }
    let current = pool.sets.iter().max_by_key(|set| set.wanted).and_then(|set| set.revision.clone());
    let count = current.as_deref().map_or(0, |revision| pool.of_revision(revision));
    Some(ReplicantNodesStatus {
        ready_replicas: pool.ready(),
        current_replicas: count,
        update_replicas: count,
        update_revision: current.clone(),
        current_revision: current,
        collision_count: None,
    })
}

fn config(desired: &Desired, world: &World) -> ConfigStatus {
    let active: BTreeSet<_> =
        world.nodes().filter(|node| node.ready).filter_map(|node| node.startup_revision.clone()).collect();
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
