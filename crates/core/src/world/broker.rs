//! What EMQX tells about itself, in our words, and whom to ask.

use super::node::Node;
use super::{KubernetesView, assemble};
use crate::desired::{Desired, NodeName, Role};
use serde::Serialize;
use std::collections::BTreeMap;

/// The EMQX cluster as the core that answered sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Broker {
    pub nodes: BTreeMap<NodeName, BrokerNode>,
}

/// A node as the EMQX cluster lists it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BrokerNode {
    pub running: bool,
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

/// Whom to ask, best first: ready cores by ordinal, since their answers cover the whole cluster.
pub fn api_candidates(desired: &Desired, view: &KubernetesView) -> Vec<Endpoint> {
    let cores = assemble::nodes(desired, view, Role::Core);
    cores.iter().filter(|node| node.ready && !node.terminating).filter_map(|node| endpoint(desired, node)).collect()
}

fn endpoint(desired: &Desired, node: &Node) -> Option<Endpoint> {
    let ports = desired.config.dashboard;
    let (port, https) = ports.http.map(|port| (port, false)).or(ports.https.map(|port| (port, true)))?;
    Some(Endpoint { pod: node.pod.clone(), ip: node.ip.clone()?, port, https })
}
