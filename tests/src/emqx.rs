//! EMQX resources in tests.

use crate::wait::until;
use emqx_operator_api::hub::EMQX;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A resource with a spec.
pub fn resource(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": name}, "spec": spec})
}

/// So many cores of a release that asks for a license: without one a node forms no cluster.
pub fn cores(replicas: i32) -> Value {
    json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": replicas}},
    })
}

/// The conditions of a resource; none while it has no status.
pub async fn conditions(client: &Client, namespace: &str, name: &str) -> Result<Vec<Condition>, String> {
    let api = Api::<EMQX>::namespaced(client.clone(), namespace);
    // Read as data: the spec of a refused resource may not fit the type.
    let object = api.get_status(name).await.map_err(|error| error.to_string())?;
    Ok(object.status.map(|status| status.conditions).unwrap_or_default())
}

/// Waits until a condition is as `holds` wants it. Every state counts, however short it lasts: a watch tells them all.
pub async fn condition(
    client: &Client,
    namespace: &str,
    name: &str,
    kind: &str,
    limit: Duration,
    holds: impl Fn(&Condition) -> bool,
) -> Condition {
    // Read as data: the spec of a refused resource may not fit the type.
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &ApiResource::erase::<EMQX>(&()));
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut states = pin!(watcher(api, only).default_backoff().touched_objects());
    let mut seen = "nothing was seen".to_owned();
    let found = timeout(limit, async {
        loop {
            match states.next().await.expect("a watch does not end") {
                Ok(object) => {
                    let all: Vec<Condition> =
                        serde_json::from_value(object.data["status"]["conditions"].clone()).unwrap_or_default();
                    let lines = all.iter().map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message));
                    seen = format!("conditions are:\n  {}", lines.collect::<Vec<_>>().join("\n  "));
                    if let Some(found) = all.into_iter().find(|condition| condition.type_ == kind && holds(condition)) {
                        return found;
                    }
                }
                Err(error) => seen = error.to_string(),
            }
        }
    });
    let found = found.await;
    found.unwrap_or_else(|_| panic!("waited {limit:?} for condition {kind} of {namespace}/{name}: {seen}"))
}

/// Waits until the cluster is Ready.
pub async fn ready(client: &Client, namespace: &str, name: &str, limit: Duration) -> Condition {
    condition(client, namespace, name, "Ready", limit, |condition| condition.status == "True").await
}

/// Waits until the status speaks of the spec as it is now and says Ready; tells how long it took.
pub async fn settled(client: &Client, namespace: &str, name: &str, limit: Duration) -> Duration {
    let started = Instant::now();
    // Read as data: to make a whole spec of it, ten times a second, takes more time than the operator does.
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &ApiResource::erase::<EMQX>(&()));
    until(&format!("{namespace}/{name} to be as the spec says"), limit, || async {
        let object = api.get(name).await.map_err(|error| error.to_string())?;
        let status = &object.data["status"];
        let ready =
            status["conditions"].as_array().into_iter().flatten().find(|condition| condition["type"] == "Ready");
        match ready {
            Some(ready)
                if ready["status"] == "True" && status["observedGeneration"].as_i64() == object.metadata.generation =>
            {
                Ok(())
            }
            other => Err(format!("{:?}", other.map(|condition| (&condition["reason"], &condition["message"])))),
        }
    })
    .await;
    started.elapsed()
}

/// Waits until the cluster is Ready with so many pods, all of them ready, and none of these uids. That it was not Ready
/// meanwhile may be over before somebody looks.
pub async fn renewed(
    client: &Client,
    namespace: &str,
    name: &str,
    pods: usize,
    old: &BTreeSet<String>,
    limit: Duration,
) {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    until(&format!("{namespace}/{name} to be Ready with new pods"), limit, || async {
        let now = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
        let is_new = |pod: &&Pod| is_ready(pod) && pod.uid().is_some_and(|uid| !old.contains(&uid));
        let new = now.iter().filter(is_new).count();
        let all = conditions(client, namespace, name).await?;
        let ready = all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        if ready && new == pods && now.len() == pods {
            Ok(())
        } else {
            Err(format!("{new} of {} pods are new and ready, Ready {ready}", now.len()))
        }
    })
    .await;
}

/// Whether Kubernetes says that the pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The image of the broker in a pod.
pub fn image(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref().expect("a pod has a spec");
    spec.containers[0].image.as_deref().unwrap_or_default()
}

/// Deletes a cluster, so that it leaves room for others.
pub async fn delete(client: &Client, namespace: &str, name: &str) {
    let api = Api::<EMQX>::namespaced(client.clone(), namespace);
    api.delete(name, &kube::api::DeleteParams::background()).await.expect("a resource can be deleted");
}
