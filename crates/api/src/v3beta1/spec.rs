//! The wanted state of an EMQX cluster.

use super::defaults;
use super::status::EMQXStatus;
use super::template::{CoreTemplate, ReplicantTemplate};
use crate::schema;
use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An EMQX cluster: core nodes that keep the data, replicant nodes that carry the clients, the Services in front of
/// them and the configuration they share.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "apps.emqx.io",
    version = "v3beta1",
    kind = "EMQX",
    plural = "emqxes",
    singular = "emqx",
    shortname = "emqx",
    namespaced,
    status = "EMQXStatus",
    derive = "PartialEq",
    doc = "An EMQX cluster: core nodes that keep the data, replicant nodes that carry the clients, the Services in front of them and the configuration they share.",
    scale(
        spec_replicas_path = ".spec.replicantTemplate.spec.replicas",
        status_replicas_path = ".status.replicantReplicas",
        label_selector_path = ".status.replicantSelector"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        description = "What the cluster is doing; Ready when everything is as the spec says.",
        json_path = r#".status.conditions[?(@.status=="True")].type"#
    ),
    printcolumn(
        name = "Nodes",
        type_ = "string",
        description = "EMQX nodes that are ready, and wanted.",
        json_path = ".status.readyNodes"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        description = "Running EMQX versions; more than one during an upgrade.",
        json_path = ".status.version"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("!has(self.replicantTemplate) || self.replicantTemplate.spec.replicas == 0 || self.coreTemplate.spec.replicas >= 2").message("Core-replicant clusters require at least 2 core replicas for rolling updates."))]
#[serde(rename_all = "camelCase")]
pub struct EMQXSpec {
    /// The EMQX image of every node, for example `emqx/emqx:5.10.4`. Required. A change restarts the nodes, one after
    /// the other. EMQX 5.9 and later needs a licence in `config.roots.license` for more than one node.
    #[schemars(length(min = 1))]
    pub image: String,

    /// When the kubelet pulls the image: `Always`, `IfNotPresent` or `Never`. Default: Kubernetes' own rule (`Always`
    /// for the tag `latest`, else `IfNotPresent`). A change restarts the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "pull_policy")]
    pub image_pull_policy: Option<String>,

    /// Names of Secrets of this namespace with the credentials of a private registry. A change restarts the nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::kubernetes::<Vec<LocalObjectReference>>")]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// The ServiceAccount of the pods. It is not created by the operator. Default: the namespace's `default`. A change
    /// restarts the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,

    /// API keys that EMQX accepts from its first start on, beside the operator's own key. Each has `key` with `secret`, or
    /// `secretRef`. EMQX accepts a key that is added or changed later within about two minutes, without a restart; until then the
    /// cluster is not Ready (`APIKeysPending`). Removing an entry does not delete the key inside EMQX.
    #[serde(default, rename = "bootstrapAPIKeys", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub bootstrap_api_keys: Vec<BootstrapApiKey>,

    /// How the operator verifies the EMQX API over HTTPS. Default: the operator accepts any certificate, so the connection is
    /// encrypted but the server is not proven to be EMQX. A change takes effect at once and restarts no node.
    #[serde(default, rename = "apiTLS", skip_serializing_if = "Option::is_none")]
    pub api_tls: Option<ApiTls>,

    /// The configuration of EMQX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,

    /// The DNS domain of the Kubernetes cluster, a part of EMQX node names. Default: `cluster.local`. Set it before the
    /// first start: a change renames the nodes, and renamed nodes start without data.
    #[serde(default = "defaults::cluster_domain")]
    #[schemars(length(min = 1, max = 253))]
    pub cluster_domain: String,

    /// How many outdated replicant sets without pods are kept as a history. Default: 3.
    #[serde(default = "defaults::revision_history_limit")]
    #[schemars(range(min = 0))]
    pub revision_history_limit: i32,

    /// How nodes are replaced when their pods have to change.
    #[serde(default)]
    pub update_strategy: UpdateStrategy,

    /// The core nodes: a StatefulSet with a volume each. They keep the data of the cluster.
    #[serde(default = "defaults::core_template")]
    pub core_template: CoreTemplate,

    /// The replicant nodes: a ReplicaSet without volumes. They carry the clients if there are replicants. Default: none,
    /// the cores carry the clients; the API server stores the default as `spec.replicas: 0`, so that `kubectl scale` and
    /// autoscalers find the number. Replicants need at least 2 cores.
    #[serde(
        default,
        deserialize_with = "defaults::replicants_that_are_wanted",
        skip_serializing_if = "Option::is_none"
    )]
    pub replicant_template: Option<ReplicantTemplate>,

    /// The Service `<name>-dashboard` in front of the dashboard and the HTTP API of the cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard_service_template: Option<ServiceTemplate>,

    /// The Service `<name>-listeners` in front of the MQTT listeners and gateways. Its ports come from
    /// `config.roots.listeners` and `config.roots.gateway`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners_service_template: Option<ServiceTemplate>,
}

/// The configuration of EMQX, by root.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// One entry per top-level key of EMQX's configuration, for example `mqtt`, `listeners`, `authentication`; the
    /// value is plain JSON or YAML data. A root that is named here belongs to the spec as a whole: keys that the
    /// root leaves out have EMQX's defaults. `node`, `rpc`, `dashboard`, `durable_sessions`, `durable_storage` and `cluster` (all but
    /// `cluster.links`) take effect by a restart of the nodes, one after the other; all other roots at once.
    /// The operator sets `node.cookie`, `node.name`, `node.role`, `node.data_dir`, `cluster.discovery_strategy`,
    /// `cluster.dns` and `api_key.bootstrap_file` itself. Anywhere in a root, `{"$secretRef": {"name": …, "key": …}}` stands for
    /// the text under that key of a Secret of this namespace; the text never appears in a ConfigMap, event, status or log.
    /// Any change of that Secret applies the root again, also a change of its labels. A root that is removed returns to
    /// EMQX's defaults, except `api_key`, `license`, `plugins` and `config_backup_interval`, which stay as they are. Keys have no
    /// dots: `{"mqtt": {"max_packet_size": …}}`, not `mqtt.max_packet_size`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::roots")]
    pub roots: BTreeMap<String, serde_json::Value>,

    /// A field of API versions before v3beta1. It is refused, so that resources of those versions do not lose it silently. Use
    /// `roots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,

    /// A field of API versions before v3beta1. It is refused: a root that is named in `roots` is always replaced as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// An API key that EMQX accepts from its first start on.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.secretRef) != (has(self.key) || has(self.secret))").message("set either secretRef, or key and secret"))]
#[x_kube(validation = Rule::new("has(self.key) == has(self.secret)").message("key and secret belong together"))]
#[serde(rename_all = "camelCase")]
pub struct BootstrapApiKey {
    /// The key: letters, digits, `-` and `_`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9-_]+$"), length(max = 256))]
    pub key: Option<String>,

    /// The secret: 3 to 128 characters, no colon. Prefer `secretRef`, which keeps it out of this resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128))]
    pub secret: Option<String>,

    /// The Secret entries that hold key and secret, in place of `key` and `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// The Secret entries that hold an API key and its secret.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The entry that holds the key.
    pub key: KeyRef,
    /// The entry that holds the secret.
    pub secret: KeyRef,
}

/// How the operator verifies the certificate of the EMQX API.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ApiTls {
    /// The certificate authorities that may have issued the certificate of `config.roots.dashboard.listeners.https`, which must
    /// be set. The operator then asks EMQX over HTTPS, also where an HTTP listener exists, and refuses other certificates; only a
    /// node whose pod has no HTTPS listener yet is asked over HTTP. The operator verifies the chain and the validity period, but
    /// not the names in the certificate, since it asks pods by address. Use an authority that signs for this cluster alone.
    pub ca_secret_ref: CaSecretRef,
}

/// The Secret entry that holds the certificates of authorities.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretRef {
    /// The name of a Secret of this namespace. A change of the Secret takes effect at once.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key inside the Secret that holds one or more certificates as PEM, 64 KiB at most. Default: `ca.crt`.
    #[serde(default = "defaults::ca_key")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9-_.]+$"), length(max = 253))]
    pub key: String,
}

/// An entry of a Secret of this namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// The key inside the Secret.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9-_.]+$"), length(max = 253))]
    pub secret_key: String,
}

/// How nodes are replaced when their pods have to change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStrategy {
    /// `RollingUpdate` (default) replaces cores in place, one at a time, and moves replicants to a new set.
    /// `BlueGreen` starts a second core set and a second set of replicants beside the old sets. When all new nodes serve, the
    /// listeners Service selects only the new nodes, and the old nodes are evacuated and deleted, their volumes last. An update
    /// needs capacity for twice the pods and volumes, and a resource name of at most 36 characters.
    #[serde(default, rename = "type")]
    pub strategy: UpdateStrategyType,

    /// How clients leave a node before it is stopped.
    #[serde(default)]
    pub evacuation_strategy: EvacuationStrategy,

    /// How many replicants may be missing or extra while they are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicants: Option<ReplicantRollout>,

    /// Seconds in which a rollout has to make progress: a pod is created or deleted, a node becomes ready, sessions or shards
    /// move. Without progress the condition `Degraded` has the reason `ProgressDeadlineExceeded`. Set it longer than a node takes
    /// to start; where a wait of `evacuationStrategy` or `minReadySeconds` is as long or longer, the deadline is that wait plus
    /// 60 s. Default: 600.
    #[serde(default = "defaults::progress_deadline_seconds")]
    #[schemars(range(min = 1))]
    pub progress_deadline_seconds: i32,

    /// Whether all nodes return to the templates and the configuration that last worked when a rollout makes no progress because
    /// its new nodes do not start. The operator records the templates and the configuration that work while all nodes serve and
    /// this field is true, so set it before an update. Numbers of nodes, Services and this strategy stay as the spec says. The
    /// status has the reason `RolledBack`, with the cause, until the spec is corrected. Default: false.
    #[serde(default)]
    pub rollback_on_failure: bool,
}

impl Default for UpdateStrategy {
    fn default() -> Self {
        Self {
            strategy: UpdateStrategyType::default(),
            evacuation_strategy: EvacuationStrategy::default(),
            replicants: None,
            progress_deadline_seconds: defaults::progress_deadline_seconds(),
            rollback_on_failure: false,
        }
    }
}

/// The name of an update strategy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateStrategyType {
    #[default]
    RollingUpdate,
    BlueGreen,
}

/// How clients leave a node before it is stopped.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EvacuationStrategy {
    /// `NodeEvacuation` (default): EMQX moves connections and sessions to other nodes first. `Disabled`: nodes
    /// stop at once, with their clients. EMQX open source before 5.9 has no evacuation: nodes stop with their clients, and the
    /// event of the restart says how many clients are disconnected.
    #[serde(default, rename = "type")]
    pub strategy: EvacuationType,

    /// Connections per second that are closed, so that clients reconnect to other nodes. Default: 1000. A change applies to
    /// evacuations that start after it.
    #[serde(default = "defaults::eviction_rate")]
    #[schemars(range(min = 1))]
    pub connection_eviction_rate: i32,

    /// Sessions per second that are moved to other nodes. Default: 1000. A change applies to evacuations that start after it.
    #[serde(default = "defaults::eviction_rate")]
    #[schemars(range(min = 1))]
    pub session_eviction_rate: i32,

    /// Seconds between the last closed connection and the first moved session: time for clients to reconnect to another node
    /// and take their session over. Default: 10.
    #[serde(default = "defaults::wait_takeover")]
    #[schemars(range(min = 0))]
    pub wait_takeover: i32,

    /// Seconds between the start of an evacuation and the first connection closed: time for load balancers to notice
    /// that the node is not ready any more. Default: 60.
    #[serde(default = "defaults::wait_health_check")]
    #[schemars(range(min = 0))]
    pub wait_health_check: i32,
}

impl Default for EvacuationStrategy {
    fn default() -> Self {
        Self {
            strategy: EvacuationType::default(),
            connection_eviction_rate: defaults::eviction_rate(),
            session_eviction_rate: defaults::eviction_rate(),
            wait_takeover: defaults::wait_takeover(),
            wait_health_check: defaults::wait_health_check(),
        }
    }
}

/// The name of an evacuation strategy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvacuationType {
    #[default]
    NodeEvacuation,
    Disabled,
}

/// How many replicants may be missing or extra while they are replaced.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("!has(self.maxUnavailable) || type(self.maxUnavailable) != int || self.maxUnavailable >= 0").message("maxUnavailable must not be negative"))]
#[x_kube(validation = Rule::new("!has(self.maxSurge) || type(self.maxSurge) != int || self.maxSurge >= 0").message("maxSurge must not be negative"))]
#[x_kube(validation = Rule::new("!has(self.maxUnavailable) || type(self.maxUnavailable) != string || self.maxUnavailable.matches('^[0-9]+%$')").message("maxUnavailable must be a number or a percentage such as 25%"))]
#[x_kube(validation = Rule::new("!has(self.maxSurge) || type(self.maxSurge) != string || self.maxSurge.matches('^[0-9]+%$')").message("maxSurge must be a number or a percentage such as 25%"))]
#[x_kube(validation = Rule::new("!has(self.maxUnavailable) || type(self.maxUnavailable) != string || self.maxUnavailable.matches('^0*(100|[0-9]{1,2})%$') || !self.maxUnavailable.matches('^[0-9]+%$')").message("maxUnavailable must not exceed 100%"))]
#[x_kube(validation = Rule::new("!has(self.maxUnavailable) || !(type(self.maxUnavailable) == int ? self.maxUnavailable == 0 : self.maxUnavailable.matches('^0+%$')) || (has(self.maxSurge) && !(type(self.maxSurge) == int ? self.maxSurge == 0 : self.maxSurge.matches('^0+%$')))").message("maxUnavailable and maxSurge cannot both be zero"))]
#[serde(rename_all = "camelCase")]
pub struct ReplicantRollout {
    /// How many replicants may be missing, as a number or as a percentage of the wanted replicants (rounded up). Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,

    /// How many replicants may exist beyond the wanted number, as a number or a percentage (rounded up). Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<IntOrString>,
}

/// A Service of the cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTemplate {
    /// Whether the Service exists. Default: true. `false` deletes the Service that the operator created.
    #[serde(default = "defaults::yes")]
    pub enabled: bool,

    /// Labels and annotations for the Service, for example annotations that a cloud's load balancer reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ServiceMetadata>,

    /// Fields of a Kubernetes ServiceSpec: `type`, `loadBalancerClass`, `externalTrafficPolicy` and so on. Ports given
    /// here are added to the ports of the operator; a port with the same name or number replaces the operator's port. The
    /// operator sets the selector, and `externalIPs` are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::kubernetes::<ServiceSpec>")]
    pub spec: Option<ServiceSpec>,
}

impl Default for ServiceTemplate {
    fn default() -> Self {
        Self { enabled: true, metadata: None, spec: None }
    }
}

/// Labels and annotations of a Service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMetadata {
    /// Labels beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations beside the operator's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

fn pull_policy(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "string", "enum": ["Always", "IfNotPresent", "Never"]})
}
