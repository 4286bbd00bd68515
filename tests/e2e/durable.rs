//! With durable sessions nothing is lost either when nobody planned it: a node dies with its pod, a host with all that was
//! on it, or a core comes back with an empty volume.

use crate::cluster::{Cluster, LICENSE, unharmed};
use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::setting;
use emqx_operator_tests::wait::until;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const RECOVERY: Duration = Duration::from_secs(300);

fn spec(cores: i32, replicants: i32) -> Value {
    json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {
            "license": {"key": LICENSE},
            "durable_sessions": {"enable": true},
            // A copy of every shard on every core from the beginning.
            "durable_storage": {"messages": {"n_sites": cores, "replication_factor": 3}},
        }},
        "coreTemplate": {"spec": {"replicas": cores}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
    })
}

/// Kills these pods at once and waits until others are in their place and the cluster is whole.
async fn kill_and_recover(cluster: &Cluster, pods: &[&str]) -> Duration {
    let started = Instant::now();
    let wanted = cluster.pods().await.len();
    let old: Vec<_> = cluster.pods().await.into_iter().filter(|pod| pods.contains(&pod.name_any().as_str())).collect();
    cluster.kill(pods).await;
    until("other pods to be made", RECOVERY, || async {
        let now = cluster.pods().await;
        let stays = |pod: &Pod| old.iter().any(|old| old.uid() == pod.uid());
        if now.len() == wanted && !now.iter().any(stays) { Ok(()) } else { Err(format!("there are {}", now.len())) }
    })
    .await;
    cluster.condition("Ready", |ready| ready.status != "True").await;
    cluster.settled().await;
    started.elapsed()
}

#[tokio::test]
async fn a_core_that_dies_loses_nothing() {
    let cluster = Cluster::ready("dies", spec(3, 0)).await;
    let devices = cluster.devices().await;
    let took = kill_and_recover(&cluster, &["iot-core-1"]).await;
    unharmed("sudden loss of one core of 3", took, devices, 1).await;
    cluster.delete().await;
}

/// What one host carries when pods are spread as they should be: a core, and a share of the replicants.
#[tokio::test]
async fn a_host_that_dies_loses_nothing() {
    let cluster = Cluster::ready("host", spec(3, 2)).await;
    let devices = cluster.devices().await;
    let pods = cluster.pods().await;
    let replicant = pods.iter().map(kube::ResourceExt::name_any).find(|name| name.contains("replicant")).unwrap();
    let took = kill_and_recover(&cluster, &["iot-core-2", &replicant]).await;
    unharmed("sudden loss of one core of 3 with one replicant of 2", took, devices, 1).await;
    cluster.delete().await;
}

/// Takes the volume of a core away, and waits until it is told; returns when that was.
async fn lose_volume(cluster: &Cluster) -> Instant {
    let claim = cluster.claims().await.into_iter().find(|name| name.ends_with("core-2")).unwrap();
    until("the operator to know who has which site", RECOVERY, || async {
        let set = cluster.api::<StatefulSet>().get("iot-core").await.map_err(|error| error.to_string())?;
        let text = set.annotations().get("apps.emqx.io/volume-sites").cloned().unwrap_or_default();
        if text.split(',').count() == 3 { Ok(()) } else { Err(text) }
    })
    .await;
    cluster.api::<PersistentVolumeClaim>().delete(&claim, &DeleteParams::default()).await.unwrap();
    let started = Instant::now();
    cluster.kill(&["iot-core-2"]).await;
    let lost = cluster.condition("Degraded", |degraded| degraded.reason == "VolumeLost").await.message;
    assert!(lost.contains("iot-core-2") && lost.contains("empty volume"), "{lost}");
    started
}

/// One by one cores would have moved; here their volume is gone before anybody knows.
#[tokio::test]
async fn a_core_whose_volume_is_gone_comes_back() {
    let cluster = Cluster::ready("volume", spec(3, 0)).await;
    cluster.allow_commands().await;
    let devices = cluster.devices().await;
    let started = lose_volume(&cluster).await;
    cluster.settled().await;
    unharmed("a core of 3 that lost its volume", started.elapsed(), devices, 1).await;
    let status = cluster.api::<EMQX>().get("iot").await.unwrap().status.unwrap();
    let replication = status.ds_replication.unwrap();
    assert!(replication.dbs.iter().all(|db| db.lost_shard_replicas == 0), "{replication:?}");
    cluster.delete().await;
}

/// As it is installed the operator may not run commands in pods: it names the one that somebody else has to run, and goes on
/// when that is done.
#[tokio::test]
async fn a_site_is_forgotten_by_hand_where_the_operator_may_not() {
    let cluster = Cluster::ready("by-hand", spec(3, 0)).await;
    lose_volume(&cluster).await;
    let told = cluster.condition("Degraded", |degraded| degraded.reason == "SiteNotForgotten").await.message;
    assert!(told.contains("pods/exec"), "{told}");
    let command = told.split_once("kubectl ").and_then(|(_, rest)| rest.split_once(" has to be run by hand"));
    let (command, _) = command.unwrap_or_else(|| panic!("no command in: {told}"));
    let mut kubectl = Command::new(setting("EMQX_TEST_KUBECTL").unwrap());
    kubectl.args(["--namespace", cluster.namespace()]).args(command.split(' '));
    let output = kubectl.env("KUBECONFIG", setting("EMQX_TEST_KUBECONFIG").unwrap()).output().unwrap();
    assert!(output.status.success(), "kubectl {command}: {}", String::from_utf8_lossy(&output.stderr));
    cluster.settled().await;
    cluster.delete().await;
}
