//! What EMQX tells about itself, in our words.

use super::broker_node::BrokerNode;
use super::{Disagreement, Reading, Storage, View};
use crate::desired::NodeName;
use serde::Serialize;
use std::collections::BTreeMap;

/// The EMQX cluster as its cores see it. Each part has its own reading: one that fails blinds no other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Broker {
    pub nodes: View,
    /// Where the cores that answered do not agree.
    pub disagreement: Disagreement,
    /// Nodes that are being emptied, or are empty and closed. Those that give clients away in a rebalance are among them.
    pub evacuations: Reading<BTreeMap<NodeName, Evacuation>>,
    pub storage: Reading<Storage>,
    /// API keys of the spec that EMQX does not accept.
    pub unknown_keys: Reading<Vec<String>>,
}

impl Broker {
    /// Whether this core answers as a cluster of its own.
    pub fn is_apart(&self, core: &NodeName) -> bool {
        self.disagreement.apart.contains_key(core)
    }
}

/// A node that is being evacuated, by the operator or a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evacuation {
    pub phase: EvacuationPhase,
    /// Clients that are still connected.
    pub connected: Option<i64>,
    /// How it was started, as EMQX says it.
    pub parameters: EvacuationParameters,
}

impl Evacuation {
    /// It is none, but the node is closed like one: it gives clients away in a rebalance, which a user has started.
    pub fn is_rebalance(&self) -> bool {
        matches!(self.phase, EvacuationPhase::Rebalancing { .. })
    }

    /// The node is closed and empty. With durable sessions the last phase may never come, because the offline sessions of the
    /// whole cluster are counted; the node's own numbers tell.
    pub fn is_done(&self, member: &BrokerNode) -> bool {
        match self.phase {
            EvacuationPhase::Empty => true,
            EvacuationPhase::EvictingSessions => self.connected == Some(0) && member.sessions == Some(0),
            EvacuationPhase::WaitingForLoadBalancers
            | EvacuationPhase::EvictingConnections
            | EvacuationPhase::WaitingForTakeover
            | EvacuationPhase::Rebalancing { .. }
            | EvacuationPhase::Other(_) => false,
        }
    }
}

/// How an evacuation was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EvacuationParameters {
    /// The phase in EMQX's words.
    pub state: String,
    pub recipients: Vec<String>,
    pub session_rate: Option<i64>,
    pub connection_rate: Option<i64>,
    pub initial_sessions: Option<i64>,
    pub initial_connections: Option<i64>,
}

/// How far an evacuation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum EvacuationPhase {
    /// Unavailable for load balancers; clients are still accepted.
    WaitingForLoadBalancers,
    /// Closed: connections are being ended.
    EvictingConnections,
    /// Closed: clients have time to fetch their sessions from elsewhere.
    WaitingForTakeover,
    /// Closed: sessions are being moved. With durable sessions it may stay here for ever.
    EvictingSessions,
    /// Closed and empty, until the evacuation is stopped.
    Empty,
    /// Unavailable for load balancers until the rebalance ends, by itself or at this coordinator.
    Rebalancing { coordinator: NodeName },
    /// A name that we do not know, from a newer EMQX.
    Other(String),
}

/// What is said of a node that gives clients away in a rebalance.
pub(crate) fn rebalance_text(coordinator: &NodeName) -> String {
    let host = coordinator.0.trim_start_matches("emqx@");
    format!(
        "gives clients away in a rebalance that somebody has started; it ends by itself, or with `emqx ctl rebalance stop` on {host}"
    )
}
