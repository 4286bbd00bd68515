//! `GET /nodes` and `GET /nodes/:node`: the members of the cluster, as the answering node sees them.

use super::read::{count, json, lenient};
use super::{Parts, Request};
use crate::credentials::Credentials;
use serde::{Deserialize, Serialize};

/// Lists the members. A node whose RPC fails is silently missing; a stopped replicant vanishes; a stopped core stays,
/// with three fields, until it is made to leave. A hung peer delays the answer up to 30 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetNodes;

/// Reads one running member. A stopped or unknown one is [`Missing::Object`](crate::Missing::Object): a stopped core
/// appears in the list only. 500 if the member does not answer the node that is asked.
#[derive(Clone, Debug)]
pub struct GetNode {
    pub node: String,
}

/// A member of the cluster. Of a stopped one only name, status and role are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `emqx@host`.
    pub node: String,
    pub node_status: NodeStatus,
    /// `core` or `replicant`; of stopped nodes always `core`.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<String>,
    /// Such as `5.10.4`, without edition; may carry `-rc.1` or `-g<hash>`.
    #[serde(default, deserialize_with = "lenient")]
    pub version: Option<String>,
    /// `Opensource` or `Enterprise`; the latter always from 5.9 on.
    #[serde(default, deserialize_with = "lenient")]
    pub edition: Option<String>,
    /// Such as `27.3.4.1/15.2.7`: Erlang/OTP and emulator.
    #[serde(default, deserialize_with = "lenient")]
    pub otp_release: Option<String>,
    /// Sessions on the node: connected clients and disconnected in-memory sessions.
    #[serde(default, deserialize_with = "count")]
    pub connections: Option<i64>,
    /// Connected clients on the node.
    #[serde(default, deserialize_with = "count")]
    pub live_connections: Option<i64>,
    /// Sessions in the whole cluster, the same on every node. Since 5.6.
    #[serde(default, deserialize_with = "count")]
    pub cluster_sessions: Option<i64>,
    /// Milliseconds since the start of the VM.
    #[serde(default, deserialize_with = "count")]
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
    type As = Credentials;
    const OPERATION: &'static str = "GET /nodes";

    fn parts(&self) -> Parts {
        Parts::get(&["nodes"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Node>, String> {
        json(body)
    }
}

impl Request for GetNode {
    type Answer = Node;
    type As = Credentials;
    const OPERATION: &'static str = "GET /nodes/:node";

    fn parts(&self) -> Parts {
        Parts::get(&["nodes", &self.node])
    }

    fn read(&self, body: &[u8]) -> Result<Node, String> {
        json(body)
    }
}
