//! Nodes are replaced and taken away under devices with persistent sessions, and nobody loses anything.

use crate::cluster::{Cluster, LICENSE, unharmed};
use emqx_operator_tests::emqx::image;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use std::time::Duration;

/// Nobody listens there: pulling it fails at once, where a name that nobody knows is looked up for a while.
const NO_IMAGE: &str = "127.0.0.1:1/none:5.10.4";

fn spec(image: &str, cores: i32, replicants: i32) -> Value {
    json!({
        "image": image,
        "config": {"roots": {"license": {"key": LICENSE}}},
        "coreTemplate": {"spec": {"replicas": cores}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
        "updateStrategy": {"evacuationStrategy": {
            "connectionEvictionRate": 100, "sessionEvictionRate": 100, "waitHealthCheck": 6, "waitTakeover": 2,
        }},
    })
}

/// Changes the spec under devices; nobody is sent away more often than `disconnects`.
async fn change_under_devices(what: &str, cluster: &Cluster, change: Value, disconnects: usize) {
    let devices = cluster.devices().await;
    cluster.change(change).await;
    let took = cluster.settled().await;
    unharmed(what, took, devices, disconnects).await;
}

/// A change that restarts cores and leaves their version.
fn other_environment() -> Value {
    json!({"coreTemplate": {"spec": {"env": [{"name": "ROLLED", "value": "yes"}]}}})
}

#[tokio::test]
async fn an_image_change_under_devices() {
    let cluster = Cluster::ready("image-change", spec("emqx/emqx:5.10.4", 2, 2)).await;
    // Two old replicants, and perhaps the new one that it is sent to first.
    let what = "image change of 2 cores and 2 replicants";
    change_under_devices(what, &cluster, json!({"image": "emqx/emqx:6.0.0"}), 2).await;
    assert!(cluster.pods().await.iter().all(|pod| image(pod) == "emqx/emqx:6.0.0"));
    cluster.delete().await;
}

/// With one replicant more than wanted meanwhile, the new ones start while the old ones are emptied.
#[tokio::test]
async fn an_image_change_with_a_surge_under_devices() {
    let mut spec = spec("emqx/emqx:5.10.4", 2, 2);
    spec["updateStrategy"]["replicants"] = json!({"maxSurge": 1, "maxUnavailable": 1});
    let cluster = Cluster::ready("surge", spec).await;
    let what = "image change of 2 cores and 2 replicants, with one more meanwhile";
    change_under_devices(what, &cluster, json!({"image": "emqx/emqx:6.0.0"}), 2).await;
    assert!(cluster.pods().await.iter().all(|pod| image(pod) == "emqx/emqx:6.0.0"));
    cluster.delete().await;
}

/// Each client is sent away once in all: to a new node, which stays.
#[tokio::test]
async fn an_image_change_by_blue_green_under_devices() {
    let mut spec = spec("emqx/emqx:5.10.4", 2, 2);
    spec["updateStrategy"]["type"] = json!("BlueGreen");
    let cluster = Cluster::ready("blue-green", spec).await;
    let what = "blue-green image change of 2 cores and 2 replicants";
    change_under_devices(what, &cluster, json!({"image": "emqx/emqx:6.0.0"}), 1).await;
    let names: Vec<_> = cluster.pods().await.iter().map(kube::ResourceExt::name_any).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names.contains(&"iot-core-0".to_owned()), "the old cores are gone: {names:?}");
    assert_eq!(cluster.claims().await.len(), 2, "the old volumes are gone");
    cluster.delete().await;
}

/// The same where the cores themselves carry the devices.
#[tokio::test]
async fn cores_that_carry_the_devices_are_replaced_by_blue_green() {
    let mut spec = spec("emqx/emqx:5.10.4", 2, 0);
    spec["updateStrategy"]["type"] = json!("BlueGreen");
    let cluster = Cluster::ready("blue-green-cores", spec).await;
    change_under_devices("blue-green change of 2 cores", &cluster, other_environment(), 1).await;
    cluster.delete().await;
}

#[tokio::test]
async fn cores_that_carry_the_devices_are_rolled_in_place() {
    let cluster = Cluster::ready("core-roll", spec("emqx/emqx:5.10.4", 3, 0)).await;
    let before = cluster.pods().await;
    change_under_devices("in-place roll of 3 cores", &cluster, other_environment(), 3).await;
    for pod in cluster.pods().await {
        let old = before.iter().find(|old| old.name_any() == pod.name_any()).expect("the names stay");
        assert_ne!(old.uid(), pod.uid(), "{} is a new pod", pod.name_any());
    }
    cluster.delete().await;
}

#[tokio::test]
async fn scaling_in_under_devices() {
    let cluster = Cluster::ready("scale-in", spec("emqx/emqx:5.10.4", 3, 0)).await;
    let fewer = json!({"coreTemplate": {"spec": {"replicas": 2}}});
    change_under_devices("scale-in from 3 cores to 2", &cluster, fewer, 1).await;
    assert_eq!(cluster.claims().await.len(), 2, "its volume is gone");
    cluster.delete().await;
}

fn old_ones<'p>(pods: &'p [Pod], prefix: &str) -> Vec<&'p Pod> {
    let old = pods.iter().filter(|pod| image(pod) == "emqx/emqx:5.10.4");
    old.filter(|pod| pod.name_any().starts_with(prefix)).collect()
}

/// A pod that cannot start is replaced by one of the corrected spec; the other nodes are not touched meanwhile.
#[tokio::test]
async fn a_bad_image_is_held_and_a_corrected_spec_goes_on() {
    let mut spec = spec("emqx/emqx:5.10.4", 2, 1);
    spec["updateStrategy"]["progressDeadlineSeconds"] = json!(60);
    let cluster = Cluster::ready("corrected", spec).await;
    cluster.change(json!({"image": NO_IMAGE})).await;
    let held = cluster.condition("Degraded", |degraded| degraded.reason == "ImagePullFailed").await;
    assert!(held.message.contains("iot-core-1"), "{}", held.message);
    let late = cluster.condition("Degraded", |degraded| degraded.reason == "ProgressDeadlineExceeded").await;
    assert!(late.message.contains("60 s") && late.message.contains("iot-core-1"), "{}", late.message);
    let pods = cluster.pods().await;
    assert_eq!((old_ones(&pods, "iot-core-0").len(), old_ones(&pods, "iot-replicant").len()), (1, 1));
    cluster.change(json!({"image": "emqx/emqx:6.0.0"})).await;
    cluster.settled().await;
    cluster.delete().await;
}

/// Nobody has to be there: nodes return to what worked, under devices, and a better spec is tried again.
#[tokio::test]
async fn a_rollout_that_fails_is_taken_back() {
    let mut spec = spec("emqx/emqx:5.10.4", 2, 1);
    spec["updateStrategy"]["progressDeadlineSeconds"] = json!(60);
    spec["updateStrategy"]["rollbackOnFailure"] = json!(true);
    let cluster = Cluster::ready("rollback", spec).await;
    let devices = cluster.devices().await;
    cluster.change(json!({"image": NO_IMAGE})).await;
    let given_up = cluster.condition("Ready", |ready| ready.reason == "RolledBack").await;
    assert_eq!(given_up.status, "False");
    assert!(given_up.message.contains("iot-core-1") && given_up.message.contains("image"), "{}", given_up.message);
    cluster.condition("CoreNodesProgressing", |progressing| progressing.reason == "Converged").await;
    let pods = cluster.pods().await;
    assert_eq!((old_ones(&pods, "iot-core-").len(), old_ones(&pods, "iot-replicant").len()), (2, 1));
    unharmed("a rollout that was taken back", Duration::ZERO, devices, 1).await;
    cluster.change(json!({"image": "emqx/emqx:6.0.0"})).await;
    cluster.settled().await;
    assert!(cluster.pods().await.iter().all(|pod| image(pod) == "emqx/emqx:6.0.0"));
    cluster.delete().await;
}
