//! What EMQX tells about itself, in our words, and whom to ask.

use super::node::Node;
use super::{Disagreement, KubernetesView, Reading, Storage, View, assemble};
use crate::desired::{Desired, NodeName, Role};
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

/// A node that is being emptied, by whomever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evacuation {
    pub phase: EvacuationPhase,
    /// Clients that are still connected.
    pub connected: Option<i64>,
    /// How it was started, as EMQX says it.
    pub told: Told,
}

impl Evacuation {
    /// It is none, but the node is closed like one: it gives clients away in a rebalance, which is somebody else's.
    pub fn is_rebalance(&self) -> bool {
        matches!(self.phase, EvacuationPhase::Rebalancing { .. })
    }
}

/// How an evacuation was started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
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
    /// Closed and empty, until somebody opens the node again.
    Empty,
    /// Unavailable for load balancers until the rebalance ends, by itself or at this coordinator.
    Rebalancing { coordinator: NodeName },
    /// A name that we do not know, from a newer EMQX.
    Other(String),
}

/// A node as the EMQX cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BrokerNode {
    pub running: bool,
    /// A word of EMQX for it that is neither `running` nor `stopped`.
    pub status: Option<String>,
    pub role: Option<String>,
    pub version: Option<String>,
    pub edition: Option<String>,
    pub otp_release: Option<String>,
    /// Sessions on the node, connected or not.
    pub sessions: Option<i64>,
    /// Connected clients.
    pub connections: Option<i64>,
}

/// A pod that can be asked through the EMQX API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub pod: String,
    pub ip: String,
    pub port: u16,
    pub https: bool,
}

impl BrokerNode {
    /// The same node is listed once more: what only one of both says is not known.
    pub fn doubt(&mut self, other: &BrokerNode) {
        let more = |one: Option<i64>, other: Option<i64>| one.zip(other).map(|(one, other)| one.max(other));
        self.running &= other.running;
        self.sessions = more(self.sessions, other.sessions);
        self.connections = more(self.connections, other.connections);
    }

    /// The open source edition, which ends with 5.8, can neither be emptied nor take sessions of others.
    pub fn evacuates(&self) -> bool {
        self.edition.as_deref() != Some("Opensource")
    }
}

/// Every one that does not answer costs a connection in each pass, and pods of a cluster are as many as somebody makes.
const MOST_ASKED: usize = 16;

/// Whom to ask, best first: ready cores by ordinal, since their answers cover the whole cluster. When none is ready, a
/// core that the operator has closed: its API answers, and only the API can open it again.
pub fn api_candidates(desired: &Desired, view: &KubernetesView) -> Vec<Endpoint> {
    let cores = assemble::nodes(desired, view, Role::Core);
    let asked = |wanted: fn(&Node) -> bool| -> Vec<Endpoint> {
        let nodes = cores.iter().filter(|node| !node.terminating && wanted(node));
        nodes.filter_map(|node| endpoint(desired, node)).take(MOST_ASKED).collect()
    };
    let ready = asked(|node| node.ready);
    if ready.is_empty() { asked(|node| node.running && node.marked) } else { ready }
}

fn endpoint(desired: &Desired, node: &Node) -> Option<Endpoint> {
    let ports = node.dashboard.unwrap_or(desired.config.dashboard);
    let http = ports.http.map(|port| (port, false));
    let https = ports.https.map(|port| (port, true));
    // A certificate that shall be verified is shown over HTTPS only. A node from before that listener has none to show.
    let (port, https) = if desired.api_ca.is_some() { https.or(http) } else { http.or(https) }?;
    Some(Endpoint { pod: node.pod.clone(), ip: node.ip.clone()?, port, https })
}
