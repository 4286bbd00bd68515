//! What the pods of cores and replicants look like.

use super::defaults;
use crate::schema;
use k8s_openapi::api::core::v1::{
    Affinity, Container, ContainerPort, EnvFromSource, EnvVar, HostAlias, Lifecycle, PersistentVolumeClaimSpec,
    PodDNSConfig, PodSecurityContext, Probe, ResourceRequirements, SecurityContext, Toleration,
    TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The core nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CoreTemplate {
    /// Labels and annotations for the core pods. A change restarts the cores, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,

    /// The core pods and their volumes.
    #[serde(default = "defaults::core_template_spec")]
    pub spec: CoreTemplateSpec,
}

/// The replicant nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicantTemplate {
    /// Labels and annotations for the replicant pods. A change replaces the replicants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<PodMetadata>,

    /// The replicant pods.
    #[serde(default = "ReplicantTemplateSpec::default")]
    pub spec: ReplicantTemplateSpec,
}

/// Labels and annotations of pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodMetadata {
    /// Labels beside the operator's own; keys below `apps.emqx.io/` that the operator uses are reserved.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The core pods and their volumes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CoreTemplateSpec {
    #[serde(flatten)]
    pub node: NodeTemplateSpec,

    /// The volume of each core, a PersistentVolumeClaimSpec. Default: 500Mi, ReadWriteOnce, the default storage class.
    /// `resources.requests.storage` can be raised if the storage class allows expansion; the expansion starts at once, without a
    /// restart. Class and access modes of existing volumes cannot change. While no core has ever had a volume, all fields can be
    /// corrected, except for claims with a `dataSource`.
    #[serde(default = "defaults::persistent_volume_claim_spec")]
    #[schemars(schema_with = "schema::kubernetes::<PersistentVolumeClaimSpec>")]
    pub persistent_volume_claim_spec: PersistentVolumeClaimSpec,

    /// Whether the volumes are deleted with the EMQX resource. Default: the volumes are retained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim_retention_policy: Option<VolumeRetentionPolicy>,

    /// A field of API versions before v3beta1. It is refused, so that resources of those versions do not lose it silently. Use
    /// `persistentVolumeClaimSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::anything")]
    pub volume_claim_templates: Option<serde_json::Value>,
}

/// The replicant pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct ReplicantTemplateSpec {
    #[serde(flatten)]
    pub node: NodeTemplateSpec,
}

impl Default for ReplicantTemplateSpec {
    fn default() -> Self {
        Self { node: defaults::node_template_spec() }
    }
}

/// Whether the volumes of the cores are kept.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeRetentionPolicy {
    /// When the EMQX resource is deleted: `Retain` (default) keeps the volumes, so that a new resource of the same
    /// name uses their data again; `Delete` deletes the volumes and their data.
    #[serde(default)]
    pub when_deleted: VolumeRetention,
}

/// Keep or delete.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VolumeRetention {
    #[default]
    Retain,
    Delete,
}

/// How many pods may be evicted at once by a drain or another voluntary disruption.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!(has(self.minAvailable) && has(self.maxUnavailable))").message("minAvailable and maxUnavailable exclude each other"))]
#[serde(rename_all = "camelCase")]
pub struct PodDisruptionBudgetSpec {
    /// Whether the PodDisruptionBudget exists. Default: true.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,
    /// Pods that must stay available, as a number or a percentage. Excludes `maxUnavailable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,
    /// Pods that may be unavailable, as a number or a percentage. Default: 1, when `minAvailable` is not set either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}

impl Default for PodDisruptionBudgetSpec {
    fn default() -> Self {
        Self { enabled: true, min_available: None, max_unavailable: None }
    }
}

/// What core and replicant pods have in common.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeTemplateSpec {
    /// How many nodes. Default: 1. A change takes effect at once and restarts no node.
    #[serde(default = "defaults::replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,

    /// Seconds that a pod must be ready before it counts as available. Default: 0.
    #[serde(default = "defaults::min_ready_seconds")]
    #[schemars(range(min = 0))]
    pub min_ready_seconds: i32,

    /// Labels of the Kubernetes nodes that may run the pods. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// The Kubernetes node that runs the pods, bypassing the scheduler. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<String>,

    /// Affinity and anti-affinity to Kubernetes nodes and pods. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<Affinity>")]
    pub affinity: Option<Affinity>,

    /// Taints that the pods tolerate. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<Toleration>>")]
    pub tolerations: Vec<Toleration>,

    /// How the pods spread over zones and hosts. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<TopologySpreadConstraint>>")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Name servers and search domains beside those of the cluster. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<PodDNSConfig>")]
    pub dns_config: Option<PodDNSConfig>,

    /// Replaces the entrypoint of the image. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,

    /// Replaces the arguments of the entrypoint. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,

    /// Container ports beside the dashboard's, which the operator adds as `dashboard` and `dashboard-https`. A change
    /// restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "ports")]
    #[x_kube(validation = Rule::new("self.all(port, !has(port.name) || !(port.name in ['dashboard', 'dashboard-https']))").message("port names dashboard and dashboard-https are reserved by the Operator"))]
    pub ports: Vec<ContainerPort>,

    /// Environment variables beside the operator's; a variable given here wins over the operator's of the same name. A
    /// variable overrides the configuration at every start, so prefer `config.roots` for EMQX settings. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<EnvVar>>")]
    pub env: Vec<EnvVar>,

    /// Secrets and ConfigMaps whose entries become environment variables. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<EnvFromSource>>")]
    pub env_from: Vec<EnvFromSource>,

    /// CPU and memory that the EMQX container asks for and is limited to. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<ResourceRequirements>")]
    pub resources: Option<ResourceRequirements>,

    /// The identity of the pods. Default: user, group and fsGroup 1000, not root, which is what the EMQX images expect.
    /// A change restarts the EMQX nodes.
    #[serde(default = "defaults::pod_security_context")]
    #[schemars(schema_with = "schema::kubernetes::<PodSecurityContext>")]
    pub pod_security_context: PodSecurityContext,

    /// The identity and the rights of the EMQX container. Default: the identity of the pod, no privilege escalation, no
    /// capabilities, and the seccomp profile of the runtime. A field that is set here replaces the default; for root, and where
    /// privileges or capabilities are requested, there are no defaults. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<SecurityContext>")]
    pub container_security_context: Option<SecurityContext>,

    /// Containers that run to their end before EMQX starts. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<Container>>")]
    pub init_containers: Vec<Container>,

    /// Containers that run beside EMQX; the name `emqx` is taken. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<Container>>")]
    pub extra_containers: Vec<Container>,

    /// Volumes beside the operator's. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<Volume>>")]
    pub extra_volumes: Vec<Volume>,

    /// Where volumes appear in the EMQX container. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<VolumeMount>>")]
    pub extra_volume_mounts: Vec<VolumeMount>,

    /// Restarts the container when it fails. Default: GET `/status` on the dashboard port, first after 60 s, every
    /// 30 s, 3 failures. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<Probe>")]
    pub liveness_probe: Option<Probe>,

    /// Takes the pod out of the Services when it fails. Default: GET `/api/v5/load_rebalance/availability_check` on the
    /// dashboard port, first after 10 s, every 5 s, 1 failure; `/status` where the broker has no such endpoint (EMQX
    /// open source before 5.9). A probe of `/status`, the default of older API versions, counts as the default. A change
    /// restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<Probe>")]
    pub readiness_probe: Option<Probe>,

    /// Delays the other probes until it succeeds. Default: `/status` of the dashboard port, every 2 s, for 15 minutes.
    /// A core may wait for its peers without limit when it starts, so give it ten minutes or more. A change restarts the
    /// EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<Probe>")]
    pub startup_probe: Option<Probe>,

    /// Hooks after the start and before the stop of the EMQX container. For replicants the operator sets
    /// `preStop`, with which they leave the cluster. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<Lifecycle>")]
    pub lifecycle: Option<Lifecycle>,

    /// The name of the PriorityClass of the pods. Default: the default class of the Kubernetes cluster. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,

    /// Seconds that a pod has to stop by itself. Default: 120; 600 for cores with durable storage, which need ten seconds or
    /// more for each shard. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub termination_grace_period_seconds: Option<i64>,

    /// The RuntimeClass that runs the pods. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,

    /// The scheduler that places the pods. Default: the scheduler of the Kubernetes cluster. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,

    /// Lines of `/etc/hosts` in the pods. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<HostAlias>>")]
    pub host_aliases: Vec<HostAlias>,

    /// Whether the pods get a token of their ServiceAccount. Default: false, since EMQX needs none; true if
    /// `spec.serviceAccountName` is set. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,

    /// Whether the containers of a pod see each other's processes. Default: false. A change restarts the EMQX nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,

    /// The PodDisruptionBudget of these pods. Default: at most 1 pod may be unavailable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<PodDisruptionBudgetSpec>,
}

/// Container ports; the bounds keep the cost of the rule on their names within what an API server accepts.
fn ports(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = schema::kubernetes::<Vec<ContainerPort>>(generator);
    schema.insert("maxItems".into(), 256.into());
    if let Some(name) = schema.pointer_mut("/items/properties/name").and_then(serde_json::Value::as_object_mut) {
        name.insert("maxLength".into(), 15.into());
    }
    schema
}
