//! A resource that was stored before the schema was as strict as it is now stops nobody else, and says so on itself.

use emqx_operator_api::emqx_crd;
use emqx_operator_tests::cluster::{apply, root};
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

const NAMESPACE: &str = "default";

/// Before the operator starts: a CRD that accepts anything, and a resource that the real one would refuse.
pub async fn store(client: &Client) -> anyhow::Result<()> {
    assert!(root().join("config").exists());
    let mut relaxed = serde_json::to_value(emqx_crd())?;
    relaxed["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    apply(client, None, &relaxed).await?;
    let limit = Duration::from_secs(60);
    let old = emqx::resource("ancient", json!({"image": 5, "coreTemplate": "none"}));
    wait::until("the old resource to be stored", limit, || async {
        apply(client, Some(NAMESPACE), &old).await.map_err(|error| error.to_string())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn an_unreadable_resource_says_so_and_stops_nobody() {
    let client = crate::environment().await;
    let namespace = emqx_operator_tests::cluster::namespace(&client, "beside").await.unwrap();
    apply(&client, Some(&namespace), &emqx::resource("fine", json!({"image": "emqx/emqx:5.10.4"}))).await.unwrap();
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    wait::until("the other cluster to be made", Duration::from_secs(60), || async {
        sets.get("fine-core").await.map_err(|error| error.to_string())
    })
    .await;

    let resource = kube::discovery::ApiResource::erase::<emqx_operator_api::hub::EMQX>(&());
    let api = Api::<kube::core::DynamicObject>::namespaced_with(client.clone(), NAMESPACE, &resource);
    let condition = wait::until("the old resource to say what is wrong", Duration::from_secs(60), || async {
        let object = api.get("ancient").await.map_err(|error| error.to_string())?;
        let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let degraded: Option<Value> = conditions.into_iter().find(|condition| condition["type"] == "Degraded");
        degraded.ok_or_else(|| object.data["status"].to_string())
    })
    .await;
    assert_eq!(condition["reason"], "InvalidSpec", "{condition}");
    assert!(condition["message"].as_str().unwrap().starts_with("spec: cannot be read"), "{condition}");
}
