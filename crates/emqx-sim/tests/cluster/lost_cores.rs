//! Cores that are lost together come back with their volumes, and their replicants are theirs again.

use crate::{one_cluster, spec};
use emqx_sim::local::{Network, Running};
use emqx_sim::timings::Timings;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const CORES: [&str; 2] = ["emqx@core-0", "emqx@core-1"];
const REPLICANTS: [&str; 2] = ["emqx@replicant-a", "emqx@replicant-b"];

fn start(network: &Arc<Network>, root: &Path, name: &str, role: &str) -> Running {
    let mut spec = spec(root, name, role);
    spec.timings = Timings {
        boot: Duration::from_millis(200),
        singleton: Duration::from_millis(200),
        join: Duration::from_millis(200),
        discovery: Duration::from_millis(500),
        ..Timings::default()
    };
    network.start(spec).unwrap()
}

fn nodes(running: &[Running]) -> Vec<Arc<emqx_sim::node::Node>> {
    running.iter().map(|running| running.node.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicants_stay_with_cores_that_come_back() {
    // Somebody may still hold a node that was lost, as an open connection does.
    let mut held = Vec::new();
    let root = tempfile::tempdir().unwrap();
    let network = Network::new(&CORES);
    let mut cores: Vec<_> = CORES.iter().map(|name| start(&network, root.path(), name, "core")).collect();
    let replicants: Vec<_> = REPLICANTS.iter().map(|name| start(&network, root.path(), name, "replicant")).collect();
    one_cluster(&[nodes(&cores), nodes(&replicants)].concat()).await;
    for pause in [0, 300, 1500] {
        held.extend(nodes(&cores));
        cores.clear();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        for name in CORES {
            cores.push(start(&network, root.path(), name, "core"));
            tokio::time::sleep(Duration::from_millis(pause / 2)).await;
        }
        one_cluster(&[nodes(&cores), nodes(&replicants)].concat()).await;
    }
}
