//! A cluster that cannot start says why, in words, on itself.

use crate::cluster::LICENSE;
use crate::environment;
use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::Operator;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

async fn explains(prefix: &str, beside: Option<Value>, spec: Value, reason: &str, parts: &[&str]) {
    explains_until_corrected(prefix, beside, spec, reason, parts, None).await;
}

/// It says why, and goes on when the spec is corrected.
async fn explains_until_corrected(
    prefix: &str,
    beside: Option<Value>,
    spec: Value,
    reason: &str,
    parts: &[&str],
    correction: Option<Value>,
) {
    let (client, namespace) = environment(prefix).await;
    if let Some(object) = beside {
        apply(&client, Some(&namespace), &object).await.unwrap();
    }
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    let degraded = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == reason).await;
    for part in parts {
        assert!(degraded.message.contains(part), "expected '{part}' in: {}", degraded.message);
    }
    if let Some(spec) = correction {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let api = Api::<EMQX>::namespaced(client.clone(), &namespace);
        api.patch("iot", &PatchParams::default(), &patch).await.unwrap();
        emqx::ready(&client, &namespace, "iot", crate::READY).await;
    }
    emqx::delete(&client, &namespace, "iot").await;
}

fn volumes(size: &str) -> Value {
    json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}})
}

fn of_missing_class() -> Value {
    let mut wrong = volumes("500Mi");
    wrong["storageClassName"] = "fast".into();
    wrong
}

#[tokio::test]
async fn an_image_that_does_not_exist() {
    let spec = json!({"image": "registry.invalid/emqx:5.10.4"});
    explains("image", None, spec, "ImagePullFailed", &["iot-core-0", "registry.invalid/emqx:5.10.4"]).await;
}

#[tokio::test]
async fn a_secret_that_is_missing() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "coreTemplate": {"spec": {"extraVolumes": [{"name": "tls", "secret": {"secretName": "mqtt-tls"}}]}},
    });
    let parts = ["spec.coreTemplate.spec.extraVolumes[0]", "Secret mqtt-tls does not exist", "create it"];
    explains("secret", None, spec, "MissingReference", &parts).await;
}

#[tokio::test]
async fn a_quota_that_leaves_no_room() {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}},
    });
    let spec = json!({"image": "emqx/emqx:5.10.4"});
    explains("quota", Some(quota), spec, "PodCreationRefused", &["iot-core", "exceeded quota: small"]).await;
}

/// Kubernetes lets nobody change the claims, nor the set that they are made from.
#[tokio::test]
async fn a_storage_class_that_does_not_exist() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": LICENSE}}},
        "coreTemplate": {"spec": {"replicas": 2, "persistentVolumeClaimSpec": of_missing_class()}},
    });
    let corrected = json!({"coreTemplate": {"spec": {"persistentVolumeClaimSpec": {"storageClassName": null}}}});
    let parts = ["iot-core-0", "unbound immediate PersistentVolumeClaims"];
    explains_until_corrected("class", None, spec, "VolumePending", &parts, Some(corrected)).await;
}

#[tokio::test]
async fn a_quota_that_has_no_room_for_the_volumes() {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "disk"},
        "spec": {"hard": {"requests.storage": "1Gi"}},
    });
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "coreTemplate": {"spec": {"persistentVolumeClaimSpec": volumes("10Gi")}},
    });
    let corrected = json!({"coreTemplate": {"spec": {"persistentVolumeClaimSpec": volumes("1Gi")}}});
    let parts = ["iot-core", "exceeded quota: disk"];
    explains_until_corrected("disk", Some(quota), spec, "PodCreationRefused", &parts, Some(corrected)).await;
}

#[tokio::test]
async fn a_node_selector_that_nothing_matches() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "coreTemplate": {"spec": {"nodeSelector": {"disk": "golden"}}},
    });
    explains("selector", None, spec, "Unschedulable", &["iot-core-0", "node(s) didn't match"]).await;
}

#[tokio::test]
async fn a_configuration_that_emqx_does_not_start_with() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"mqtt": {"no_such_field": 1}}},
    });
    explains("crash", None, spec, "CrashLooping", &["iot-core-0", "container emqx has ended"]).await;
}

/// Its claims stay when a resource is deleted, and are found again. Nobody but their owner knows whether they are wanted.
#[tokio::test]
async fn claims_without_a_volume_of_a_resource_that_was_deleted() {
    let (client, namespace) = environment("again").await;
    let spec = |volumes: Value| {
        let image = "emqx/emqx:5.10.4";
        json!({"image": image, "coreTemplate": {"spec": {"replicas": 1, "persistentVolumeClaimSpec": volumes}}})
    };
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(of_missing_class()))).await.unwrap();
    emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "VolumePending").await;
    emqx::delete(&client, &namespace, "iot").await;
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(volumes("500Mi")))).await.unwrap();
    let degraded = emqx::condition(&client, &namespace, "iot", "Degraded", LIMIT, |c| c.reason == "VolumeLeft").await;
    let claim = "iot-core-data-iot-core-0";
    assert!(degraded.message.starts_with(&format!("{claim}: has no volume")), "{}", degraded.message);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    claims.delete(claim, &DeleteParams::default()).await.unwrap();
    emqx::ready(&client, &namespace, "iot", crate::READY).await;
    emqx::delete(&client, &namespace, "iot").await;
}
