//! Kubernetes objects of a cluster, as data.

use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// The kinds of objects that a cluster is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    Secret,
    ConfigMap,
    Service,
    StatefulSet,
    ReplicaSet,
    PodDisruptionBudget,
    Pod,
    PersistentVolumeClaim,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Secret => "Secret",
            Kind::ConfigMap => "ConfigMap",
            Kind::Service => "Service",
            Kind::StatefulSet => "StatefulSet",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::PodDisruptionBudget => "PodDisruptionBudget",
            Kind::Pod => "Pod",
            Kind::PersistentVolumeClaim => "PersistentVolumeClaim",
        }
    }

    /// API group and version, and the plural in URLs.
    pub fn api(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Secret => ("", "v1", "secrets"),
            Kind::ConfigMap => ("", "v1", "configmaps"),
            Kind::Service => ("", "v1", "services"),
            Kind::StatefulSet => ("apps", "v1", "statefulsets"),
            Kind::ReplicaSet => ("apps", "v1", "replicasets"),
            Kind::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Kind::Pod => ("", "v1", "pods"),
            Kind::PersistentVolumeClaim => ("", "v1", "persistentvolumeclaims"),
        }
    }

    pub fn api_version(self) -> String {
        match self.api() {
            ("", version, _) => version.to_owned(),
            (group, version, _) => format!("{group}/{version}"),
        }
    }
}

/// Kind and name; the namespace is the resource's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    pub kind: Kind,
    pub name: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

impl Serialize for ObjectId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An object that exists.
#[derive(Clone, Debug, Serialize)]
pub struct Live {
    pub uid: String,
    pub resource_version: String,
    pub ownership: Ownership,
    /// The object without its status and bookkeeping. Secrets are not dumped.
    #[serde(skip)]
    pub body: Arc<Value>,
    /// It is being deleted.
    pub terminating: bool,
}

impl Live {
    /// Only what the operator made itself is deleted.
    pub fn is_ours(&self) -> bool {
        self.ownership == Ownership::Ours && !self.terminating
    }

    /// The container of EMQX in the pod template of a set.
    pub fn emqx_container(&self) -> Option<&Value> {
        let containers = self.body["spec"]["template"]["spec"]["containers"].as_array()?;
        containers.iter().find(|container| container["name"] == "emqx")
    }
}

/// Whose object it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Ownership {
    /// Its controller is the resource.
    Ours,
    /// It has no controller: it was orphaned, restored or prepared for us.
    Nobodys,
    /// Its controller is another object.
    Foreign(String),
}

/// The identity and state of an object when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectVersion {
    pub uid: String,
    pub resource_version: String,
}
