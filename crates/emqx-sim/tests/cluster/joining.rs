//! Nodes that start at the same moment become one cluster, in which all know each other.

use crate::{one_cluster, spec};
use emqx_sim::local::{Network, Spec};
use emqx_sim::rpc::Phase;
use emqx_sim::timings::Timings;
use std::path::Path;
use std::time::Duration;

fn quick(root: &Path, name: &str, role: &str) -> Spec {
    let mut spec = spec(root, name, role);
    spec.timings = Timings { discovery: Duration::from_millis(200), ..Timings::instant_boot() };
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_join_together_know_each_other() {
    let root = tempfile::tempdir().unwrap();
    let network = Network::new(&["emqx@core-0", "emqx@core-1", "emqx@core-2"]);
    let mut all: Vec<_> = ["emqx@core-0", "emqx@core-1"]
        .map(|core| network.start(quick(root.path(), core, "core")).unwrap())
        .into_iter()
        .collect();
    one_cluster(&all.iter().map(|one| one.node.clone()).collect::<Vec<_>>()).await;
    for round in 0..4 {
        for number in 0..8 {
            let name = format!("emqx@replicant-{round}-{number}");
            all.push(network.start(quick(root.path(), &name, "replicant")).unwrap());
        }
        one_cluster(&all.iter().map(|one| one.node.clone()).collect::<Vec<_>>()).await;
    }
}

/// Replicants attach to a core that has not joined another one yet. That does not make a cluster of it.
#[tokio::test(flavor = "multi_thread")]
async fn cores_with_a_replicant_each_still_join() {
    let root = tempfile::tempdir().unwrap();
    let network = Network::new(&["emqx@core-0", "emqx@core-1"]);
    let mut all = Vec::new();
    for (core, replicant) in [("emqx@core-1", "emqx@replicant-1"), ("emqx@core-0", "emqx@replicant-0")] {
        let mut core = quick(root.path(), core, "core");
        // Long enough to start all of them and to look.
        core.timings.singleton = Duration::from_secs(20);
        for node in [core, quick(root.path(), replicant, "replicant")] {
            let started = network.start(node).unwrap();
            started.node.reaches(Phase::Running).await;
            all.push(started);
        }
    }
    for (core, replicant) in [(0, 1), (2, 3)] {
        assert!(
            all[core].node.cluster_state().members.contains_key(&all[replicant].node.name),
            "the test has missed the moment"
        );
    }
    one_cluster(&all.iter().map(|one| one.node.clone()).collect::<Vec<_>>()).await;
}
