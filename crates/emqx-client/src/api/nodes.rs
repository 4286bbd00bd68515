//! `GET /api/v5/nodes`: the members of the cluster, as the answering node sees them.

use super::{Parts, Request, json};
use serde::{Deserialize, Serialize};

/// Lists the members. A node whose RPC fails is silently missing; a stopped replicant vanishes; a stopped core stays,
/// with three fields, until it is made to leave. A hung peer delays the answer up to 30 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetNodes;

/// A member of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `emqx@host`.
    pub node: String,
    pub node_status: NodeStatus,
    /// `core` or `replicant`; of stopped nodes always `core`.
    #[serde(default)]
    pub role: Option<String>,
    /// Such as `5.10.4`, without edition.
    #[serde(default)]
    pub version: Option<String>,
    /// `Opensource` or `Enterprise`; the latter always from 5.9 on.
    #[serde(default)]
    pub edition: Option<String>,
    /// Such as `27.3.4.1/15.2.7`.
    #[serde(default)]
    pub otp_release: Option<String>,
    /// Sessions on the node: connected clients and disconnected in-memory sessions.
    #[serde(default)]
    pub connections: Option<i64>,
    /// Connected clients on the node.
    #[serde(default)]
    pub live_connections: Option<i64>,
    /// Milliseconds since the start of the VM.
    #[serde(default)]
    pub uptime: Option<i64>,
}

/// The membership, as the answering node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeStatus {
    Running,
    Stopped,
    #[serde(untagged)]
    Unknown(String),
}

impl Request for GetNodes {
    type Answer = Vec<Node>;
    const OPERATION: &'static str = "GET /nodes";

    fn parts(&self) -> Parts {
        Parts::get("/api/v5/nodes")
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Node>, String> {
        json(body)
    }
}
