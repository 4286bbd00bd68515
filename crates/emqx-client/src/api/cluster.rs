//! `/cluster`: who belongs together, who replicates from whom, and how a dead member is taken out.

use super::read::{count, json, lenient, nothing};
use super::{Change, Parts, Request};
use crate::credentials::Credentials;
use crate::failure::Failure;
use reqwest::Method;
use serde::Deserialize;

/// Reads the cluster's name and running members. A member that is still booting is listed here before it is in
/// [`GetNodes`](super::GetNodes).
#[derive(Clone, Copy, Debug, Default)]
pub struct GetCluster;

/// The cluster as the answering node sees it; alone before it has joined.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Cluster {
    pub nodes: Vec<String>,
    /// The answering node.
    #[serde(rename = "self")]
    pub myself: String,
    #[serde(default, deserialize_with = "lenient")]
    pub name: Option<String>,
    /// Since 6.0.
    #[serde(default, deserialize_with = "lenient")]
    pub description: Option<String>,
}

/// Reads which replicants follow which cores. Since 5.1.1 (Enterprise) and 5.2.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetTopology;

/// A running core and its replicants. A core whose RPC failed is left out by 5.8 and has no replicants later.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CoreLinks {
    pub core_node: String,
    /// A replicant stands below several cores. From 5.9 to 6.2 other cores may stand here too, by mistake.
    pub replicant_nodes: Vec<ReplicantLink>,
}

/// A replicant that follows a core.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ReplicantLink {
    pub node: String,
    /// Replication streams from that core.
    #[serde(default, deserialize_with = "count")]
    pub streams: Option<i64>,
}

/// Takes a member out of the cluster. Ask a running core, never the victim. Of a running victim the applications restart
/// and it rejoins at its next start. Replicas on it are lost: move them away before. A member that is gone already, and
/// a stopped replicant, is [`Change::AlreadySo`].
#[derive(Clone, Debug)]
pub struct ForceLeave {
    pub node: String,
}

impl Request for GetCluster {
    type Answer = Cluster;
    type As = Credentials;
    const OPERATION: &'static str = "GET /cluster";

    fn parts(&self) -> Parts {
        Parts::get(&["cluster"])
    }

    fn read(&self, body: &[u8]) -> Result<Cluster, String> {
        json(body)
    }
}

impl Request for GetTopology {
    type Answer = Vec<CoreLinks>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /cluster/topology";

    fn parts(&self) -> Parts {
        Parts::get(&["cluster", "topology"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<CoreLinks>, String> {
        json(body)
    }
}

impl Request for ForceLeave {
    type Answer = Change;
    type As = Credentials;
    const OPERATION: &'static str = "DELETE /cluster/:node/force_leave";

    fn parts(&self) -> Parts {
        Parts::new(Method::DELETE, &["cluster", &self.node, "force_leave"])
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        failure.has_reason("node_not_in_cluster").then_some(Change::AlreadySo)
    }
}
