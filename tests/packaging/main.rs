//! Installations as users make them, on real pods: kubectl, Helm and Prometheus are the real ones.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod chart;
mod dashboards;
mod installed;
mod leftovers;
mod programs;
mod prometheus;
mod two_replicas;
mod variants;

use emqx_operator_tests::cluster;
use kube::Client;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// Two cores of a machine run everything: brokers need some time to boot.
const READY: Duration = Duration::from_secs(180);
const SYSTEM: &str = "emqx-operator-system";
const SERVICE: &str = "emqx-operator-controller-manager-metrics-service";

/// A client. All installations have the same names, so that there is one at a time.
async fn alone() -> (Client, MutexGuard<'static, ()>) {
    static ONE: Mutex<()> = Mutex::const_new(());
    let guard = ONE.lock().await;
    let client = cluster::admin().await.expect("the cluster can be reached");
    installed::monitoring_crds(&client).await;
    (client, guard)
}
