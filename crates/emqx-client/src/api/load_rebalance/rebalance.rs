//! `/load_rebalance/:node/start`: spreads clients over nodes. The node in the path coordinates.

use crate::api::read::{count, lenient, nothing};
use crate::api::{Change, Parts, Request};
use crate::credentials::Credentials;
use crate::failure::Failure;
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Starts to move clients from nodes with many to nodes with few. Success and failure look the same later: it
/// disappears from the status. `None` takes EMQX's default.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StartRebalance {
    /// Any running node, preferably a node that does not restart soon; its restart ends the rebalance.
    #[serde(skip)]
    pub coordinator: String,
    /// Who takes part; all running nodes if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Seconds; default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_health_check: Option<u32>,
    /// Connections per second, more than 0; default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conn_evict_rate: Option<u32>,
    /// Connections above the average that are tolerated; default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abs_conn_threshold: Option<u32>,
    /// The same as a factor, more than 1; default 1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rel_conn_threshold: Option<f64>,
    /// Seconds; default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_takeover: Option<u32>,
    /// Sessions per second, more than 0; default 500.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sess_evict_rate: Option<u32>,
    /// Sessions above the average that are tolerated; default 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abs_sess_threshold: Option<u32>,
    /// The same as a factor, more than 1; default 1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rel_sess_threshold: Option<f64>,
}

/// What came of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceStart {
    Started,
    /// One runs on this coordinator, with its own parameters.
    AlreadyStarted,
    /// The differences are within the thresholds, or there is one node only.
    NothingToBalance,
}

/// Ends a rebalance. It must name the coordinator that was asked to start it.
#[derive(Clone, Debug)]
pub struct StopRebalance {
    pub coordinator: String,
}

/// A rebalance, from the cluster's view.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rebalance {
    /// The coordinator.
    pub node: String,
    pub state: RebalanceState,
    /// Who gives clients away; they are unavailable until the end.
    #[serde(default, deserialize_with = "lenient")]
    pub donors: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient")]
    pub recipients: Option<Vec<String>>,
    /// Averages, once they are computed.
    #[serde(default, deserialize_with = "lenient")]
    pub connection_goal: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub disconnected_session_goal: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub donor_conn_avg: Option<f64>,
    #[serde(default, deserialize_with = "lenient")]
    pub donor_sess_avg: Option<f64>,
    #[serde(default, deserialize_with = "count")]
    pub connection_eviction_rate: Option<i64>,
    #[serde(default, deserialize_with = "count")]
    pub session_eviction_rate: Option<i64>,
}

/// How far a rebalance is. The waits have other names than the waits of an evacuation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebalanceState {
    WaitHealthCheck,
    EvictingConns,
    WaitTakeover,
    EvictingSessions,
    Disabled,
    #[serde(untagged)]
    Unknown(String),
}

impl Request for StartRebalance {
    type Answer = RebalanceStart;
    type As = Credentials;
    const OPERATION: &'static str = "POST /load_rebalance/:node/start";

    fn parts(&self) -> Parts {
        Parts::new(Method::POST, &["load_rebalance", &self.coordinator, "start"]).json(self)
    }

    fn read(&self, body: &[u8]) -> Result<RebalanceStart, String> {
        nothing(body).map(|()| RebalanceStart::Started)
    }

    fn read_failure(&self, failure: &Failure) -> Option<RebalanceStart> {
        if failure.has_reason("already_started") {
            Some(RebalanceStart::AlreadyStarted)
        } else if failure.has_reason("nothing_to_balance") {
            Some(RebalanceStart::NothingToBalance)
        } else {
            None
        }
    }
}

impl Request for StopRebalance {
    type Answer = Change;
    type As = Credentials;
    const OPERATION: &'static str = "POST /load_rebalance/:node/stop";

    fn parts(&self) -> Parts {
        Parts::new(Method::POST, &["load_rebalance", &self.coordinator, "stop"])
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        failure.has_reason("not_started").then_some(Change::AlreadySo)
    }
}
