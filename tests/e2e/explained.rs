//! A cluster that cannot start says why, in words, on itself.

use crate::environment;
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::Operator;
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(180);

async fn explains(prefix: &str, beside: Option<Value>, spec: Value, reason: &str, parts: &[&str]) {
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
    emqx::delete(&client, &namespace, "iot").await;
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
