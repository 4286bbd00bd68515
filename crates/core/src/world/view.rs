//! What Kubernetes holds for one cluster, as the shell hands it over.

use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use std::sync::Arc;

/// The labelled objects of one cluster, and the warnings about its sets.
#[derive(Clone, Debug, Default)]
pub struct KubernetesView {
    pub stateful_sets: Vec<Arc<StatefulSet>>,
    pub replica_sets: Vec<Arc<ReplicaSet>>,
    pub pods: Vec<Arc<Pod>>,
    pub services: Vec<Arc<Service>>,
    pub config_maps: Vec<Arc<ConfigMap>>,
    pub secrets: Vec<Arc<Secret>>,
    pub budgets: Vec<Arc<PodDisruptionBudget>>,
    /// All of the namespace, also those of users and other controllers.
    pub namespace_budgets: Vec<Arc<PodDisruptionBudget>>,
    pub claims: Vec<Arc<PersistentVolumeClaim>>,
    pub events: Vec<ObjectEvent>,
}

/// A warning of Kubernetes about a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEvent {
    /// The uid of the set.
    pub uid: String,
    pub reason: String,
    pub message: String,
}
