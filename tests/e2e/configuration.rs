//! Runtime roots: changed without a restart, refused, dropped.

use crate::cluster::Cluster;
use crate::examples::tls_secret;
use crate::{READY, environment};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{emqx, wait};
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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

    emqx::delete(&client, &namespace, "iot").await;
}

/// Kubernetes brings the file to the core, and EMQX is told to read it.
#[tokio::test]
async fn an_api_key_that_is_added_later_is_accepted_without_a_restart() {
    let cluster = Cluster::ready("keys", spec(json!({"max_inflight": 40}))).await;
    let uids = || async { cluster.pods().await.iter().filter_map(ResourceExt::uid).collect::<BTreeSet<_>>() };
    let before = uids().await;
    let service = cluster.api::<Service>().get("iot-dashboard").await.unwrap();
    let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap();
    let url = format!("http://{address}:18083/api/v5/nodes");
    let ask = || reqwest::Client::new().get(&url).basic_auth("added-later", Some("in-the-evening")).send();
    // A Service leads to a pod a moment after the pod is ready.
    let answer = || async {
        wait::until("an answer", READY, || async { ask().await.map_err(|error| error.to_string()) })
            .await
            .status()
            .as_u16()
    };
    assert_eq!(answer().await, 401);
    cluster.change(json!({"bootstrapAPIKeys": [{"key": "added-later", "secret": "in-the-evening"}]})).await;
    cluster.condition("Ready", |ready| ready.reason == "APIKeysPending").await;
    cluster.settled().await;
    assert_eq!(answer().await, 200);
    assert_eq!(before, uids().await, "a pod was replaced");
    cluster.delete().await;
}

/// What EMQX refuses is not in the files either: the only core would crash on it when it is lost.
#[tokio::test]
async fn a_core_that_is_lost_does_not_start_with_what_emqx_refused() {
    let cluster = Cluster::ready("refused", spec(json!({"max_inflight": 40}))).await;
    cluster.change(json!({"config": {"roots": {"mqtt": {"max_inflight": 40, "foo_bar": 1}}}})).await;
    let rejected = |degraded: &Condition| degraded.reason == "ConfigRejected";
    let degraded = cluster.condition("Degraded", rejected).await;
    assert!(degraded.message.contains("foo_bar"), "{}", degraded.message);
    let old = cluster.pods().await.remove(0).uid().unwrap();
    cluster.kill(&["iot-core-0"]).await;
    wait::until("a new pod to serve", READY, || async {
        let pods = cluster.pods().await;
        let new = pods.iter().find(|pod| pod.uid().is_some_and(|uid| uid != old)).ok_or("no new pod")?;
        if emqx::is_ready(new) { Ok(()) } else { Err(format!("{:?}", new.status)) }
    })
    .await;
    let degraded = cluster.condition("Degraded", rejected).await;
    assert!(degraded.message.contains("foo_bar"), "{}", degraded.message);
    cluster.change(json!({"config": {"roots": {"mqtt": {"max_inflight": 50, "foo_bar": null}}}})).await;
    cluster.settled().await;
    cluster.delete().await;
}

/// EMQX keeps what it was told last, so it has to be told that the spec does not ask for it any more.
#[tokio::test]
async fn a_root_that_the_spec_drops_returns_to_its_defaults() {
    let mut first = spec(json!({"max_inflight": 40}));
    first["config"]["roots"]["listeners"] = json!({"tcp": {"default": {"bind": 1893}}});
    let cluster = Cluster::ready("dropped", first).await;
    connects(&cluster, 1893).await;
    cluster.change(json!({"config": {"roots": {"listeners": null}}})).await;
    cluster.settled().await;
    connects(&cluster, 1883).await;
    cluster.delete().await;
}

/// EMQX refuses a listener whose certificate it does not find, and no pod finds it before it is made anew.
#[tokio::test]
async fn a_listener_and_its_certificate_come_in_one_edit() {
    let cluster = Cluster::ready("one-edit", spec(json!({"max_inflight": 40}))).await;
    tls_secret(&cluster.api()).await;
    let file = |name: &str| format!("/opt/emqx/tls/{name}");
    let options = json!({"certfile": file("tls.crt"), "keyfile": file("tls.key")});
    cluster
        .change(json!({
            "config": {"roots": {"listeners": {"ssl": {"default": {"bind": 8883, "ssl_options": options}}}}},
            "coreTemplate": {"spec": {
                "extraVolumes": [{"name": "tls", "secret": {"secretName": "mqtt-tls"}}],
                "extraVolumeMounts": [{"name": "tls", "mountPath": "/opt/emqx/tls"}],
            }},
        }))
        .await;
    cluster.condition("ConfigApplied", |applied| applied.status != "True").await;
    cluster.settled().await;
    // A file that comes with no template is told, with its path.
    let elsewhere = json!({"certfile": "/nowhere/tls.crt", "keyfile": file("tls.key")});
    let before = cluster.pods().await.remove(0).uid();
    cluster
        .change(json!({
            "config": {"roots": {"listeners": {"ssl": {"default": {"ssl_options": elsewhere}}}}},
            "coreTemplate": {"metadata": {"annotations": {"also": "changed"}}},
        }))
        .await;
    let degraded = cluster.condition("Degraded", |degraded| degraded.reason == "ConfigRejected").await;
    assert!(degraded.message.contains("/nowhere/tls.crt"), "{}", degraded.message);
    assert_eq!(before, cluster.pods().await.remove(0).uid(), "a node was restarted that would crash");
    cluster.delete().await;
}

/// The Service leads to that port, and somebody listens there.
async fn connects(cluster: &Cluster, expected: i32) {
    wait::until("clients to connect", READY, || async {
        let service = cluster.api::<Service>().get("iot-listeners").await.map_err(|error| error.to_string())?;
        let spec = service.spec.ok_or("no spec")?;
        let ports = spec.ports.unwrap_or_default();
        let port = ports.iter().find(|port| port.name.as_deref() == Some("tcp-default")).ok_or("no such port")?.port;
        if port != expected {
            return Err(format!("the Service has port {port}"));
        }
        let address = (spec.cluster_ip.unwrap_or_default(), u16::try_from(port).map_err(|error| error.to_string())?);
        tokio::net::TcpStream::connect(address).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
}
