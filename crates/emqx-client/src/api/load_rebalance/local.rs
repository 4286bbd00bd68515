//! `GET /load_rebalance/status` and `/node_eviction/status`: what the answering node itself takes part in.

use super::EvictionStats;
use crate::api::read::{count, json, lenient};
use crate::api::{Parts, Request};
use crate::credentials::Credentials;
use serde::Deserialize;

/// Reads what the node does. Of a rebalance only donors speak.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetLocalStatus;

/// What the node does; nothing but `status` while it is disabled.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LocalStatus {
    pub status: Switch,
    #[serde(default, deserialize_with = "lenient")]
    pub process: Option<Process>,
    /// In the words of the process; see [`EvacuationState`](super::EvacuationState) and
    /// [`RebalanceState`](super::RebalanceState).
    #[serde(default, deserialize_with = "lenient")]
    pub state: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub stats: Option<EvictionStats>,
    /// Of a rebalance.
    #[serde(default, deserialize_with = "lenient")]
    pub coordinator_node: Option<String>,
}

/// Whether an evacuation or a rebalance runs on the node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    Enabled,
    Disabled,
    #[serde(untagged)]
    Unknown(String),
}

/// What runs on the node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Process {
    Evacuation,
    Rebalance,
    Purge,
    #[serde(untagged)]
    Unknown(String),
}

/// Reads whether the node refuses clients, for whatever reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetNodeEviction;

/// Whether the node refuses clients, and how many it still has.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NodeEviction {
    pub status: Switch,
    #[serde(default, deserialize_with = "lenient")]
    pub stats: Option<EvictionCounts>,
}

/// What is still on the node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EvictionCounts {
    #[serde(default, deserialize_with = "count")]
    pub connections: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    pub sessions: Option<i64>,
}

impl Request for GetLocalStatus {
    type Answer = LocalStatus;
    type As = Credentials;
    const OPERATION: &'static str = "GET /load_rebalance/status";

    fn parts(&self) -> Parts {
        Parts::get(&["load_rebalance", "status"])
    }

    fn read(&self, body: &[u8]) -> Result<LocalStatus, String> {
        json(body)
    }
}

impl Request for GetNodeEviction {
    type Answer = NodeEviction;
    type As = Credentials;
    const OPERATION: &'static str = "GET /node_eviction/status";

    fn parts(&self) -> Parts {
        Parts::get(&["node_eviction", "status"])
    }

    fn read(&self, body: &[u8]) -> Result<NodeEviction, String> {
        json(body)
    }
}
