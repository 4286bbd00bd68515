//! How nodes find each other, and when they do not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cookie;
mod joining;
mod lost_cores;

use emqx_sim::local::Spec;
use emqx_sim::node::{Node, Seen};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Names of the members that run, as this node sees them.
async fn running(node: &Node) -> BTreeSet<String> {
    let mut running = BTreeSet::from([node.name.clone()]);
    for (name, _) in node.other_members() {
        if node.seen(&name).await == Seen::Running {
            running.insert(name);
        }
    }
    running
}

/// What the nodes of these tests have in common: they find each other by discovery.
fn spec(root: &Path, name: &str, role: &str) -> Spec {
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    Spec::new("5.10.4-ee", name, folder)
        .unwrap()
        .env("EMQX_LICENSE__KEY", "evaluation")
        .env("EMQX_NODE__ROLE", role)
        .env("EMQX_CLUSTER__DISCOVERY_STRATEGY", "dns")
}

/// Waits until each of the nodes sees all of them run, and nobody else.
async fn one_cluster(nodes: &[Arc<Node>]) {
    let wanted: BTreeSet<String> = nodes.iter().map(|node| node.name.clone()).collect();
    let since = Instant::now();
    for node in nodes {
        loop {
            let seen = running(node).await;
            if seen == wanted {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "{} sees {seen:?}", node.name);
            sleep(Duration::from_millis(100)).await;
        }
    }
}
