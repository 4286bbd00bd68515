//! A change of the spec, from a cluster that is Ready to one that is Ready again.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::fleet::Fleet;
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{emqx, wait};
use emqx_sim::clients::Counts;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) const LIMIT: Duration = Duration::from_secs(600);
/// On every node at the beginning: they are moved, or gone with it.
const SESSIONS: Counts = Counts { connected: 0, disconnected: 50, durable_offline: 0 };

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The cluster that is there before; none if it is made.
    pub(crate) before: Option<Value>,
    /// What it is to become; `null` if it is deleted.
    pub(crate) after: Value,
    /// Whether the operator is killed after each write, too, and not only before the next one.
    pub(crate) after_each: bool,
}

pub(crate) fn spec(version: &str, cores: i32, replicants: i32) -> Value {
    json!({
        "image": format!("emqx/emqx:{version}"),
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": cores}},
        "replicantTemplate": {"spec": {"replicas": replicants}},
        "updateStrategy": {"evacuationStrategy": {"waitHealthCheck": 0, "waitTakeover": 0}},
    })
}

impl Scenario {
    /// A namespace with the cluster as it is before, with sessions on every node, and no operator.
    pub(crate) async fn prepare(&self, client: &Client, fleet: &Fleet) -> String {
        let namespace = namespace(client, self.name).await.unwrap();
        if let Some(before) = &self.before {
            apply(client, Some(&namespace), &emqx::resource("iot", before.clone())).await.unwrap();
            let operator = Operator::start(&[&namespace]);
            emqx::settled(client, &namespace, "iot", LIMIT).await;
            // Stopping waits for passes that are under way.
            tokio::task::spawn_blocking(move || drop(operator)).await.unwrap();
            for pod in Api::<Pod>::namespaced(client.clone(), &namespace).list(&ListParams::default()).await.unwrap() {
                fleet.set_clients(&namespace, &pod.name_any(), SESSIONS);
            }
        }
        namespace
    }

    /// The user asks for the change.
    pub(crate) async fn begin(&self, client: &Client, namespace: &str) {
        if self.after.is_null() {
            emqx::delete(client, namespace, "iot").await;
        } else {
            apply(client, Some(namespace), &emqx::resource("iot", self.after.clone())).await.unwrap();
        }
    }

    /// The cluster leaves room for others. Its namespace stays: to delete one is a hundred requests.
    pub(crate) async fn leave(&self, client: &Client, namespace: &str) {
        if !self.after.is_null() {
            emqx::delete(client, namespace, "iot").await;
        }
    }

    /// Waits until the change is carried out.
    pub(crate) async fn end(&self, client: &Client, namespace: &str) {
        if self.after.is_null() {
            gone(client, namespace).await;
        } else {
            emqx::settled(client, namespace, "iot", LIMIT).await;
        }
    }
}

async fn gone(client: &Client, namespace: &str) {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    wait::until(&format!("the pods of {namespace} to go"), LIMIT, || async {
        let left = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
    })
    .await;
}
