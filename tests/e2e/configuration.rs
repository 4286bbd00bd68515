//! A changed runtime root reaches the running nodes, without a restart.

use crate::{READY, environment};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn spec(mqtt: Value) -> Value {
    json!({"image": "emqx/emqx:5.10.4", "config": {"roots": {"mqtt": mqtt}}})
}

#[tokio::test]
async fn a_runtime_root_changes_without_a_restart() {
    let (client, namespace) = environment("config").await;
    let _operator = Operator::start(&[&namespace]);
    apply(&client, Some(&namespace), &emqx::resource("iot", spec(json!({"max_inflight": 40})))).await.unwrap();
    emqx::ready(&client, &namespace, "iot", READY).await;
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let uids = || async {
        let list = pods.list(&ListParams::default()).await.unwrap();
        list.items.iter().filter_map(ResourceExt::uid).collect::<BTreeSet<_>>()
    };
    let before = uids().await;

    apply(&client, Some(&namespace), &emqx::resource("iot", spec(json!({"max_inflight": 50})))).await.unwrap();
    wait::until("the new revision to be in force", Duration::from_secs(30), || async {
        let api = Api::<emqx_operator_api::hub::EMQX>::namespaced(client.clone(), &namespace);
        let resource = api.get("iot").await.map_err(|error| error.to_string())?;
        let status = resource.status.unwrap_or_default();
        let applied = status.conditions.iter().any(|c| c.type_ == "ConfigApplied" && c.status == "True");
        let current = status.observed_generation == resource.metadata.generation;
        if applied && current { Ok(()) } else { Err(format!("{:?}", status.conditions)) }
    })
    .await;
    assert_eq!(before, uids().await, "a pod was replaced");

    apply(&client, Some(&namespace), &emqx::resource("iot", spec(json!({"max_inflight": "many"})))).await.unwrap();
    let limit = Duration::from_secs(30);
    let degraded =
        emqx::condition(&client, &namespace, "iot", "Degraded", limit, |c| c.reason == "ConfigRejected").await;
    assert!(degraded.message.contains("mqtt"), "{}", degraded.message);
    emqx::delete(&client, &namespace, "iot").await;
}
