//! The clients, indexes and settings that reconciles share.

use crate::clusters::Clusters;
use crate::emqx_clients::EmqxClients;
use crate::index::{Index, Key};
use crate::leader::Leading;
use crate::observe::ReferenceCache;
use crate::report::Metrics;
use crate::resource::StoredEmqx;
use crate::settings::Settings;
use crate::watch::Pending;
use crate::workers::Workers;
use crate::write_hook::Moment;
use emqx_operator_core::desired::is_paused;
use emqx_operator_core::world::KubernetesView;
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Client;
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use std::fmt::Display;
use std::sync::Arc;

/// The clients, indexes and settings that reconciles share. No decision depends on earlier decisions kept here: a restarted
/// operator sees the same world. Only the deadlines of rollouts and the times of waits start again, and a refused configuration, or
/// an object that an admission webhook changed, is sent once more.
pub struct Context {
    pub client: Client,
    pub emqx: EmqxClients,
    pub settings: Settings,
    pub objects: Objects,
    /// The EMQX resources, from the watch.
    pub resources: Store<StoredEmqx>,
    /// The state of each EMQX resource between reconciles.
    pub clusters: Clusters,
    pub references: ReferenceCache,
    pub pending: Pending,
    pub workers: Workers,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    pub leading: Leading,
}

/// The labelled objects of all clusters.
#[derive(Default)]
pub struct Objects {
    pub stateful_sets: Index<StatefulSet>,
    pub replica_sets: Index<ReplicaSet>,
    pub pods: Index<Pod>,
    pub services: Index<Service>,
    pub config_maps: Index<ConfigMap>,
    pub secrets: Index<Secret>,
    pub budgets: Index<PodDisruptionBudget>,
    pub claims: Index<PersistentVolumeClaim>,
}

impl Objects {
    /// What Kubernetes holds for one cluster.
    pub fn view(&self, key: &Key) -> KubernetesView {
        KubernetesView {
            stateful_sets: self.stateful_sets.of(key),
            replica_sets: self.replica_sets.of(key),
            pods: self.pods.of(key),
            services: self.services.of(key),
            config_maps: self.config_maps.of(key),
            secrets: self.secrets.of(key),
            budgets: self.budgets.of(key),
            namespace_budgets: self.budgets.in_namespace(&key.namespace),
            claims: self.claims.of(key),
            events: Vec::new(),
        }
    }
}

impl Context {
    pub fn is_leader(&self) -> bool {
        self.leading.now()
    }

    /// Calls the test hook, if there is one.
    pub async fn write_hook(&self, moment: Moment, write: impl Display) {
        if let Some(hook) = &self.settings.write_hook {
            hook.called(moment, &write.to_string()).await;
        }
    }

    /// The generation of the spec, as the watch last reported it.
    pub fn generation(&self, key: &Key) -> Option<i64> {
        self.resource(key)?.metadata.generation
    }

    /// Whether the resource is paused, as the watch last reported it.
    pub fn is_paused(&self, key: &Key) -> bool {
        self.resource(key).is_some_and(|resource| resource.content.as_ref().is_ok_and(is_paused))
    }

    fn resource(&self, key: &Key) -> Option<Arc<StoredEmqx>> {
        self.resources.get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    /// Drops the state of a deleted resource.
    pub fn forget(&self, key: &Key) {
        self.clusters.forget(key);
        self.references.tidy();
        self.metrics.queue.forget(key);
    }
}
