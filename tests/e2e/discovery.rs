//! How cores find each other, and what is said where they do not.

use crate::cluster::{Cluster, LICENSE};
use emqx_operator_api::hub::EMQX;
use serde_json::{Value, json};

const NAME: &str = "production-emqx-europe-west";

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
    let cluster = Cluster::named(NAME, "many", spec(7)).await;
    let status = cluster.api::<EMQX>().get(NAME).await.unwrap().status.unwrap();
    let nodes = status.core_nodes;
    assert_eq!(nodes.len(), 7, "{nodes:?}");
    cluster.delete().await;
}

/// A company's name for a namespace.
const LONG: &str = "customer-connectivity-platform-production-europe";

/// Without EDNS three such names do not fit into an answer: each core is Ready for Kubernetes, and those that start when three others
/// are known are clusters of their own.
#[tokio::test]
async fn cores_that_do_not_find_each_other_are_told_and_can_be_cured() {
    let mut spec = spec(5);
    spec["updateStrategy"] = json!({"evacuationStrategy": {"waitHealthCheck": 0, "waitTakeover": 0}});
    spec["coreTemplate"]["spec"]["env"] = json!([{"name": "ERL_INETRC", "value": "/there/is/none"}]);
    let cluster = Cluster::starting(NAME, LONG, spec).await;
    let told = cluster.condition("Degraded", |degraded| degraded.reason == "SplitCluster").await.message;
    assert!(told.contains("no part of the EMQX cluster") && told.contains("kubectl delete pod"), "{told}");
    let ready = cluster.condition("Ready", |ready| ready.status == "False").await;
    assert_eq!(ready.reason, "SplitCluster", "{}", ready.message);
    cluster.change(json!({"coreTemplate": {"spec": {"env": null}}})).await;
    cluster.settled().await;
    let status = cluster.api::<EMQX>().get(NAME).await.unwrap().status.unwrap();
    assert_eq!(status.core_nodes.len(), 5, "{:?}", status.core_nodes);
    cluster.delete().await;
}
