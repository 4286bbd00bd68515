//! What the operator reports about a cluster. No rule of the operator reads it back.

use crate::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw of the cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EMQXStatus {
    /// The generation of the spec that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions of the cluster, each with a reason and a message. The first condition that is True is the Status column.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// EMQX nodes that are ready, and wanted, for example `3/4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_nodes: Option<String>,

    /// Running EMQX versions, for example `5.10.4`; more than one during an upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Core pods that exist.
    #[serde(default)]
    pub core_replicas: i32,

    /// The label selector of the core pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_selector: Option<String>,

    /// Replicant pods that exist; the scale subresource reads it.
    #[serde(default)]
    pub replicant_replicas: i32,

    /// The label selector of the replicant pods; the scale subresource reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicant_selector: Option<String>,

    /// The core nodes as EMQX lists them. Kept while the EMQX API does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub core_nodes: Vec<EmqxNode>,

    /// The replicant nodes as EMQX lists them. Kept while the EMQX API does not answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicant_nodes: Vec<EmqxNode>,

    /// Core and replicant nodes in one list of at most a thousand nodes, as newer versions of the Go operator show them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_nodes: Vec<EmqxNode>,

    /// Counts of the core pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_nodes_status: Option<CoreNodesStatus>,

    /// Counts and revisions of the replicant pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicant_nodes_status: Option<ReplicantNodesStatus>,

    /// Running evacuations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_evacuations: Vec<NodeEvacuation>,

    /// Durable storage, by database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ds_replication: Option<DsReplication>,

    /// Revisions of the wanted and of the running configuration. An implementation detail that may change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigStatus>,
}

/// One EMQX node.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EmqxNode {
    /// The EMQX node name.
    pub name: String,
    /// The pod that runs the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// `running`, `stopped`, or another word of EMQX such as `unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The Erlang/OTP release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otp_release: Option<String>,
    /// The EMQX version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `core` or `replicant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Sessions on the node, connected or not, when the status was written. The metrics are up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<i64>,
    /// Connected clients on the node when the status was written. The metrics are up to date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<i64>,
}

/// Counts of the core pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CoreNodesStatus {
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Pods of the wanted template.
    #[serde(default)]
    pub updated_replicas: i32,
    /// Pods of the template before the last change; all pods if no pod has that template.
    #[serde(default)]
    pub current_replicas: i32,
}

/// Counts and revisions of the replicant pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReplicantNodesStatus {
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// The template hash of most replicants before the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_revision: Option<String>,
    /// Pods of that template hash.
    #[serde(default)]
    pub current_replicas: i32,
    /// The template hash that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_revision: Option<String>,
    /// Pods of the wanted template hash.
    #[serde(default)]
    pub update_replicas: i32,
    /// Kept for readers of the Go operator's status; always absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collision_count: Option<i32>,
}

/// A running evacuation.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeEvacuation {
    /// The EMQX node that is evacuated.
    pub node_name: String,
    /// The state of the evacuation, as EMQX names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The nodes that take the sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_recipients: Vec<String>,
    /// Sessions moved per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_eviction_rate: Option<i64>,
    /// Connections closed per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_eviction_rate: Option<i64>,
    /// Sessions when the evacuation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_sessions: Option<i64>,
    /// Connections when the evacuation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_connections: Option<i64>,
}

/// Durable storage.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DsReplication {
    /// The databases.
    #[serde(default)]
    pub dbs: Vec<Database>,
}

/// One database of durable storage.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Database {
    /// The name of the database.
    pub name: String,
    /// Shards.
    #[serde(default)]
    pub num_shards: i32,
    /// Replicas of all shards.
    #[serde(default)]
    pub num_shard_replicas: i32,
    /// Replicas on lost sites.
    #[serde(default)]
    pub lost_shard_replicas: i32,
    /// Replicas that are being moved.
    #[serde(default)]
    pub num_transitions: i32,
    /// Replicas of the shard with the fewest replicas.
    #[serde(default)]
    pub min_replicas: i32,
    /// Replicas of the shard with the most replicas.
    #[serde(default)]
    pub max_replicas: i32,
}

/// Revisions of the wanted and of the running configuration.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigStatus {
    /// The digest of all roots of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_revision: Option<String>,
    /// The digest of the runtime roots that the running nodes have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_revision: Option<String>,
    /// The digest of the startup roots of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_startup_revision: Option<String>,
    /// The digests of the startup roots that pods were started with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active_startup_revisions: Vec<String>,
}
