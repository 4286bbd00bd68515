//! What is left at the end, without what differs from run to run.

use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::fleet::Fleet;
use emqx_operator_tests::{audit, wait};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// One line per thing that is there.
pub(crate) async fn of(client: &Client, fleet: &Fleet, namespace: &str) -> Vec<String> {
    let mut lines = vec![format!("{} sessions", fleet.sessions(namespace))];
    objects::<StatefulSet>(client, namespace, &mut lines).await;
    objects::<ReplicaSet>(client, namespace, &mut lines).await;
    objects::<Service>(client, namespace, &mut lines).await;
    objects::<ConfigMap>(client, namespace, &mut lines).await;
    objects::<Secret>(client, namespace, &mut lines).await;
    objects::<PodDisruptionBudget>(client, namespace, &mut lines).await;
    objects::<PersistentVolumeClaim>(client, namespace, &mut lines).await;
    pods(client, namespace, &mut lines).await;
    status(client, namespace, &mut lines).await;
    // The hash in the name of a core set that grew beside another knows the namespace.
    let beside = |line: &String| {
        line.strip_prefix("StatefulSet ")?.split(',').next()?.strip_prefix("iot-core-").map(str::to_owned)
    };
    for hash in lines.iter().filter_map(beside).collect::<Vec<_>>() {
        lines.iter_mut().for_each(|line| *line = line.replace(&hash, "HASH"));
    }
    lines.sort();
    lines
}

/// How many pods of cores were deleted by the operator.
pub(crate) fn restarts(namespace: &str) -> usize {
    let deleted =
        |write: &&audit::Write| write.verb == "delete" && write.object.starts_with("pods/") && write.code == 200;
    audit::writes(namespace).iter().filter(deleted).count()
}

async fn objects<K>(client: &Client, namespace: &str, lines: &mut Vec<String>)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    for object in listed::<K>(client, namespace).await {
        // What Kubernetes puts into every namespace is not ours.
        if object.labels().get("apps.emqx.io/instance").is_none() {
            continue;
        }
        let marks = object.annotations().keys().filter(|key| key.starts_with("apps.emqx.io/"));
        let marks = marks.map(String::as_str).collect::<Vec<_>>().join(", ");
        let replicas = serde_json::to_value(&object).unwrap()["spec"]["replicas"].clone();
        // The hash at the end of a replicant set's name knows the namespace.
        let name = object.name_any();
        let name = if K::kind(&()) == "ReplicaSet" { "iot-replicant" } else { name.as_str() };
        lines.push(format!("{} {name}, {replicas} replicas, {marks}", K::kind(&())));
    }
}

/// Hundreds of times in a run, on connections that the API server may just have closed.
async fn listed<K>(client: &Client, namespace: &str) -> Vec<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let list = || async { api.list(&ListParams::default()).await.map_err(|error| error.to_string()) };
    wait::until("the API server to answer", PATIENCE, list).await.items
}

async fn pods(client: &Client, namespace: &str, lines: &mut Vec<String>) {
    for pod in listed::<Pod>(client, namespace).await {
        let spec = pod.spec.as_ref().unwrap();
        let role = pod.labels().get("apps.emqx.io/db-role").cloned().unwrap_or_default();
        // Replicants have random names.
        let name = if role == "core" { pod.name_any() } else { role };
        let marked = pod.annotations().contains_key("apps.emqx.io/evacuating");
        lines.push(format!("Pod {name} {} marked {marked}", spec.containers[0].image.as_deref().unwrap_or_default()));
    }
}

async fn status(client: &Client, namespace: &str, lines: &mut Vec<String>) {
    let Some(object) = listed::<EMQX>(client, namespace).await.into_iter().next() else { return };
    let status = object.status.unwrap_or_default();
    let running = |nodes: &[emqx_operator_api::hub::EmqxNode]| {
        nodes.iter().filter(|node| node.status.as_deref() == Some("running")).count()
    };
    let value: Value = serde_json::to_value(&status.node_evacuations).unwrap();
    lines.push(format!("EMQX {} cores, {} replicants", running(&status.core_nodes), running(&status.replicant_nodes)));
    lines.push(format!("EMQX evacuations {value}"));
    let storage = serde_json::to_value(&status.ds_replication).unwrap();
    lines.push(format!("EMQX durable storage {storage}"));
    let readiness = status.conditions.iter().map(|c| format!("EMQX {} {} {}", c.type_, c.status, c.reason));
    lines.extend(readiness);
}
