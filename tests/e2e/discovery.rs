//! How cores find each other, and what is said where they do not.

use crate::cluster::{Cluster, LICENSE};
use emqx_operator_api::hub::EMQX;
use serde_json::{Value, json};

fn spec(cores: i32) -> Value {
    json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": LICENSE}}},
        "coreTemplate": {"spec": {"replicas": cores}},
    })
}

/// Under a name as companies give them. The answer of the DNS server is longer than it may be without EDNS, and EMQX's resolver
/// takes an answer that was cut for none.
#[tokio::test]
async fn seven_cores_with_a_long_name_are_one_cluster() {
    let cluster = Cluster::named("production-emqx-europe-west", "many", spec(7)).await;
    let status = cluster.api::<EMQX>().get("production-emqx-europe-west").await.unwrap().status.unwrap();
    let nodes = status.core_nodes;
    assert_eq!(nodes.len(), 7, "{nodes:?}");
    cluster.delete().await;
}

/// Each core is Ready for Kubernetes, and a cluster of its own.
#[tokio::test]
async fn cores_that_do_not_find_each_other_are_told_and_can_be_cured() {
    let cluster = Cluster::starting("split", {
        let mut spec = spec(3);
        spec["coreTemplate"]["spec"]["env"] = json!([{"name": "EMQX_CLUSTER__DISCOVERY_STRATEGY", "value": "manual"}]);
        spec
    })
    .await;
    let told = cluster.condition("Degraded", |degraded| degraded.reason == "SplitCluster").await.message;
    assert!(told.contains("lists itself alone") && told.contains("kubectl delete pod"), "{told}");
    let ready = cluster.condition("Ready", |ready| ready.status == "False").await;
    assert_ne!(ready.reason, "Ready");
    cluster.change(json!({"coreTemplate": {"spec": {"env": null}}})).await;
    cluster.settled().await;
    let status = cluster.api::<EMQX>().get("iot").await.unwrap().status.unwrap();
    assert_eq!(status.core_nodes.len(), 3);
    cluster.delete().await;
}
