//! A cluster of one test: with an operator of its own, and devices that are connected to it.

use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::emqx;
use emqx_operator_tests::operator::{self, Operator};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use mqtt_devices::{Clients, Plan, Report};
use serde_json::{Value, json};
use std::time::Duration;

const ROLLOUT: Duration = Duration::from_secs(300);
const PATIENCE: Duration = Duration::from_secs(60);
/// The stand-in takes it for one that was bought: the trial allows 25 sessions.
pub(crate) const LICENSE: &str = "c3RhbmQtaW4gZm9yIGEgbGljZW5zZSB0aGF0IHdhcyBib3VnaHQ.c3RhbmQtaW4";

pub(crate) struct Cluster {
    client: Client,
    namespace: String,
    name: &'static str,
    _operator: Operator,
}

impl Cluster {
    /// A new one, as soon as it is Ready.
    pub(crate) async fn ready(prefix: &str, spec: Value) -> Cluster {
        Cluster::named("iot", prefix, spec).await
    }

    /// The same under another name than others have.
    pub(crate) async fn named(name: &'static str, prefix: &str, spec: Value) -> Cluster {
        let cluster = Cluster::starting(name, prefix, spec).await;
        emqx::ready(&cluster.client, &cluster.namespace, name, crate::READY).await;
        cluster
    }

    /// The same at once, ready or not.
    pub(crate) async fn starting(name: &'static str, prefix: &str, spec: Value) -> Cluster {
        let (client, namespace) = crate::environment(prefix).await;
        let operator = Operator::start(&[&namespace]);
        apply(&client, Some(&namespace), &emqx::resource(name, spec)).await.unwrap();
        Cluster { client, namespace, name, _operator: operator }
    }

    /// The operator may run commands in its pods, as where a user has installed the role for that.
    pub(crate) async fn allow_commands(&self) {
        operator::grant_commands(&self.client, &self.namespace).await.unwrap();
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn api<T>(&self) -> Api<T>
    where
        T: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Merges this into the spec.
    pub(crate) async fn change(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api::<EMQX>().patch(self.name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until it is as the spec says; tells how long that took.
    pub(crate) async fn settled(&self) -> Duration {
        emqx::settled(&self.client, &self.namespace, self.name, ROLLOUT).await
    }

    /// Waits until a condition is as `holds` wants it.
    pub(crate) async fn condition(&self, kind: &str, holds: impl Fn(&Condition) -> bool) -> Condition {
        emqx::condition(&self.client, &self.namespace, self.name, kind, ROLLOUT, holds).await
    }

    /// Connects 200 persistent sessions and 10 publishers through the listeners Service.
    pub(crate) async fn devices(&self) -> Clients {
        let service = self.api::<Service>().get("iot-listeners").await.unwrap();
        let address = service.spec.and_then(|spec| spec.cluster_ip).unwrap();
        Clients::start(Plan::new(&address, 1883, &self.namespace), PATIENCE).await.unwrap()
    }

    pub(crate) async fn pods(&self) -> Vec<Pod> {
        self.api::<Pod>().list(&ListParams::default()).await.unwrap().items
    }

    /// The names of the volume claims.
    pub(crate) async fn claims(&self) -> Vec<String> {
        let claims = self.api::<PersistentVolumeClaim>().list(&ListParams::default()).await.unwrap().items;
        claims.iter().map(kube::ResourceExt::name_any).collect()
    }

    /// As when the host of these pods has gone: nobody says goodbye.
    pub(crate) async fn kill(&self, pods: &[&str]) {
        let (api, now) = (self.api::<Pod>(), DeleteParams::default().grace_period(0));
        let killed = futures::future::join_all(pods.iter().map(|pod| api.delete(pod, &now))).await;
        assert!(killed.iter().all(Result::is_ok), "{killed:?}");
    }

    /// It leaves room for others.
    pub(crate) async fn delete(self) {
        emqx::delete(&self.client, &self.namespace, self.name).await;
    }
}

/// Everybody is back, with their sessions and messages. The figures are for people; what must hold is asserted.
pub(crate) async fn unharmed(what: &str, took: Duration, devices: Clients, disconnects: usize) {
    let report: Report = devices.finish(PATIENCE).await;
    println!("{what}: {:.1} s\n{report}", took.as_secs_f64());
    assert!(report.nothing_lost(), "{what}: something was lost\n{report}");
    assert_eq!(report.offline_now, 0, "{what}: everybody is back");
    assert!(report.disconnects_per_client_max <= disconnects, "{what}: at most one disconnect for each node it sat on");
}
