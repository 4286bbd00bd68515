//! `/load_rebalance/:node/evacuation`: empties one node of connections and sessions.

use crate::api::read::{count, lenient, nothing};
use crate::api::{Change, Parts, Request};
use crate::credentials::Credentials;
use crate::failure::Failure;
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Starts to empty a node; any running node can be asked. It survives a restart of the node with its volume. `None`
/// takes EMQX's default. There is no server reference: EMQX takes `redirect_to` and ignores it.
///
/// 404 if the node does not run, 400 if a target does not run or the node gives clients away in a rebalance. A running
/// evacuation is [`Change::AlreadySo`], and keeps its own parameters.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StartEvacuation {
    #[serde(skip)]
    pub node: String,
    /// Seconds in which load balancers notice that the node is unavailable; default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_health_check: Option<u32>,
    /// Connections per second, more than 0; default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_evict_rate: Option<u32>,
    /// Seconds in which clients may take over their sessions elsewhere; default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_takeover: Option<u32>,
    /// Sessions per second, more than 0; default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sess_evict_rate: Option<u32>,
    /// Where sessions go; all other running nodes if empty. EMQX takes the node itself without complaint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub migrate_to: Vec<String>,
}

/// Opens the node for clients again, in whatever state the evacuation is. It does not bring clients back.
#[derive(Clone, Debug)]
pub struct StopEvacuation {
    pub node: String,
}

/// An evacuation, from the cluster's view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Evacuation {
    pub node: String,
    pub state: EvacuationState,
    #[serde(default, deserialize_with = "lenient")]
    pub stats: Option<EvictionStats>,
    #[serde(default, deserialize_with = "lenient")]
    pub session_recipients: Option<Vec<String>>,
    #[serde(default, deserialize_with = "count")]
    pub connection_eviction_rate: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    pub session_eviction_rate: Option<i64>,
}

/// How far an evacuation is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvacuationState {
    /// Unavailable already, clients are still accepted.
    WaitingHealthCheck,
    EvictingConns,
    WaitingTakeover,
    /// With durable sessions it may stay here for ever: disconnected ones of the whole cluster count.
    EvictingSessions,
    /// Empty. It stays so until it is stopped.
    Prohibiting,
    Disabled,
    #[serde(untagged)]
    Unknown(String),
}

/// Connections and sessions of a node that is emptied. The initial counts are those at the start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct EvictionStats {
    #[serde(default, deserialize_with = "count")]
    pub initial_connected: Option<i64>,
    /// Before the last tick's evictions.
    #[serde(default, deserialize_with = "count")]
    pub current_connected: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    pub initial_sessions: Option<i64>,
    /// Stands still until sessions are evicted.
    #[serde(default, deserialize_with = "count")]
    pub current_sessions: Option<i64>,
    /// In a rebalance.
    #[serde(default, deserialize_with = "count")]
    pub current_disconnected_sessions: Option<i64>,
}

impl Request for StartEvacuation {
    type Answer = Change;
    type As = Credentials;
    const OPERATION: &'static str = "POST /load_rebalance/:node/evacuation/start";

    fn parts(&self) -> Parts {
        Parts::new(Method::POST, &["load_rebalance", &self.node, "evacuation", "start"]).json(self)
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        failure.has_reason("already_started").then_some(Change::AlreadySo)
    }
}

impl Request for StopEvacuation {
    type Answer = Change;
    type As = Credentials;
    const OPERATION: &'static str = "POST /load_rebalance/:node/evacuation/stop";

    fn parts(&self) -> Parts {
        Parts::new(Method::POST, &["load_rebalance", &self.node, "evacuation", "stop"])
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        failure.has_reason("not_started").then_some(Change::AlreadySo)
    }
}
