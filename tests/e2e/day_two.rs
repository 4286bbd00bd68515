//! Nodes are replaced and taken away under devices with persistent sessions, and nobody loses anything.

use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::Operator;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use mqtt_devices::{Clients, Plan, Report};
use serde_json::{Value, json};
use std::time::Duration;

const ROLLOUT: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(60);
/// The stand-in takes it for one that was bought: the trial allows 25 sessions.
const LICENSE: &str = "c3RhbmQtaW4gZm9yIGEgbGljZW5zZSB0aGF0IHdhcyBib3VnaHQ.c3RhbmQtaW4";

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

async fn change(client: &Client, namespace: &str, spec: Value) {
    let api = Api::<EMQX>::namespaced(client.clone(), namespace);
    api.patch("iot", &PatchParams::default(), &Patch::Merge(&json!({ "spec": spec }))).await.unwrap();
}

async fn devices(client: &Client, namespace: &str) -> Clients {
    let service = Api::<Service>::namespaced(client.clone(), namespace).get("iot-listeners").await.unwrap();
    let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap();
    Clients::start(Plan::new(&address, 1883, namespace), PATIENCE).await.unwrap()
}

/// The figures are for people; what must hold is asserted.
fn unharmed(what: &str, took: Duration, report: &Report, moves: usize) {
    println!("{what}: {:.1} s\n{report}", took.as_secs_f64());
    assert!(report.nothing_lost(), "{what}: something was lost\n{report}");
    assert_eq!(report.offline_now, 0, "{what}: everybody is back");
    assert!(report.disconnects_per_client_max <= moves, "{what}: at most one disconnect for each node it sat on");
}

async fn pods(client: &Client, namespace: &str) -> Vec<Pod> {
    Api::<Pod>::namespaced(client.clone(), namespace).list(&ListParams::default()).await.unwrap().items
}

#[tokio::test]
async fn an_image_change_under_devices() {
    let (client, namespace) = crate::environment("image-change").await;
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec("emqx/emqx:5.10.4", 2, 2))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    let devices = devices(&client, &namespace).await;
    change(&client, &namespace, json!({"image": "emqx/emqx:6.0.0"})).await;
    let took = emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    let report = devices.finish(PATIENCE).await;
    // Two old replicants, and perhaps the new one that it is sent to first.
    unharmed("image change of 2 cores and 2 replicants", took, &report, 2);
    let images = pods(&client, &namespace).await;
    assert!(
        images.iter().all(|pod| pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some("emqx/emqx:6.0.0"))
    );
    emqx::delete(&client, &namespace, "iot").await;
}

/// Each client is sent away once in all: to a new node, which stays.
#[tokio::test]
async fn an_image_change_by_blue_green_under_devices() {
    let (client, namespace) = crate::environment("blue-green").await;
    let _operator = Operator::start(&[&namespace]);
    let mut spec = spec("emqx/emqx:5.10.4", 2, 2);
    spec["updateStrategy"]["type"] = json!("BlueGreen");
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    let devices = devices(&client, &namespace).await;
    change(&client, &namespace, json!({"image": "emqx/emqx:6.0.0"})).await;
    let took = emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    let report = devices.finish(PATIENCE).await;
    unharmed("blue-green image change of 2 cores and 2 replicants", took, &report, 1);
    let names: Vec<_> = pods(&client, &namespace).await.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names.contains(&"iot-core-0".to_owned()), "the old cores are gone: {names:?}");
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    assert_eq!(claims.list(&ListParams::default()).await.unwrap().items.len(), 2, "the old volumes are gone");
    emqx::delete(&client, &namespace, "iot").await;
}

/// The same where the cores themselves carry the devices.
#[tokio::test]
async fn cores_that_carry_the_devices_are_replaced_by_blue_green() {
    let (client, namespace) = crate::environment("blue-green-cores").await;
    let _operator = Operator::start(&[&namespace]);
    let mut spec = spec("emqx/emqx:5.10.4", 2, 0);
    spec["updateStrategy"]["type"] = json!("BlueGreen");
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    let devices = devices(&client, &namespace).await;
    change(&client, &namespace, json!({"coreTemplate": {"spec": {"env": [{"name": "ROLLED", "value": "yes"}]}}})).await;
    let took = emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    let report = devices.finish(PATIENCE).await;
    unharmed("blue-green change of 2 cores", took, &report, 1);
    emqx::delete(&client, &namespace, "iot").await;
}

#[tokio::test]
async fn cores_that_carry_the_devices_are_rolled_in_place() {
    let (client, namespace) = crate::environment("core-roll").await;
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec("emqx/emqx:5.10.4", 3, 0))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    let before = pods(&client, &namespace).await;
    let devices = devices(&client, &namespace).await;
    change(&client, &namespace, json!({"coreTemplate": {"spec": {"env": [{"name": "ROLLED", "value": "yes"}]}}})).await;
    let took = emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    let report = devices.finish(PATIENCE).await;
    unharmed("in-place roll of 3 cores", took, &report, 3);
    for pod in pods(&client, &namespace).await {
        let old = before.iter().find(|old| old.name_any() == pod.name_any()).expect("the names stay");
        assert_ne!(old.uid(), pod.uid(), "{} is a new pod", pod.name_any());
    }
    emqx::delete(&client, &namespace, "iot").await;
}

#[tokio::test]
async fn scaling_in_under_devices() {
    let (client, namespace) = crate::environment("scale-in").await;
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec("emqx/emqx:5.10.4", 3, 0))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    let devices = devices(&client, &namespace).await;
    change(&client, &namespace, json!({"coreTemplate": {"spec": {"replicas": 2}}})).await;
    let took = emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    let report = devices.finish(PATIENCE).await;
    unharmed("scale-in from 3 cores to 2", took, &report, 1);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    assert_eq!(claims.list(&ListParams::default()).await.unwrap().items.len(), 2, "its volume is gone");
    emqx::delete(&client, &namespace, "iot").await;
}

/// A pod that cannot start is replaced by one of the corrected spec; the other nodes are not touched meanwhile.
#[tokio::test]
async fn a_bad_image_is_held_and_a_corrected_spec_goes_on() {
    let (client, namespace) = crate::environment("corrected").await;
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec("emqx/emqx:5.10.4", 2, 1))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    change(&client, &namespace, json!({"image": "registry.example/none:5.10.4"})).await;
    let held =
        emqx::condition(&client, &namespace, "iot", "Degraded", ROLLOUT, |c| c.reason == "ImagePullFailed").await;
    assert!(held.message.contains("iot-core-1"), "{}", held.message);
    let untouched = |name: &str, pods: &[Pod]| {
        let pod = pods.iter().find(|pod| pod.name_any().starts_with(name)).unwrap();
        pod.spec.as_ref().unwrap().containers[0].image.as_deref() == Some("emqx/emqx:5.10.4")
    };
    let now = pods(&client, &namespace).await;
    assert!(untouched("iot-core-0", &now) && untouched("iot-replicant", &now));
    change(&client, &namespace, json!({"image": "emqx/emqx:6.0.0"})).await;
    emqx::settled(&client, &namespace, "iot", ROLLOUT).await;
    emqx::delete(&client, &namespace, "iot").await;
}
