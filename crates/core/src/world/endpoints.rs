//! Which pods can be asked through the EMQX API.

use super::assemble;
use super::node::Node;
use super::view::KubernetesView;
use crate::desired::Desired;
use serde::Serialize;

/// A pod that can be asked through the EMQX API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub pod: String,
    pub ip: String,
    pub port: u16,
    pub https: bool,
}

/// Every one that does not answer costs a connection in each pass, and users may make any number of pods.
const MOST_ASKED: usize = 16;

/// Whom to ask, best first: ready cores by ordinal, since their answers cover the whole cluster. When none is ready, a
/// core that the operator has closed: its API answers, and only the API can open it again.
pub fn api_candidates(desired: &Desired, view: &KubernetesView) -> Vec<Endpoint> {
    let cores = assemble::unasked_cores(desired, view).nodes;
    let asked = |wanted: fn(&Node) -> bool| -> Vec<Endpoint> {
        let nodes = cores.iter().filter(|node| !node.is_terminating() && wanted(node));
        nodes.filter_map(|node| endpoint(desired, node)).take(MOST_ASKED).collect()
    };
    let ready = asked(|node| node.is_ready());
    if ready.is_empty() { asked(|node| node.state.is_running() && node.evacuating_by_us) } else { ready }
}

fn endpoint(desired: &Desired, node: &Node) -> Option<Endpoint> {
    let ports = node.dashboard.unwrap_or(desired.config.dashboard);
    let http = ports.http.map(|port| (port, false));
    let https = ports.https.map(|port| (port, true));
    // A certificate that shall be verified is shown over HTTPS only. A node from before that listener has none to show.
    let (port, https) = if desired.api_ca.is_some() { https.or(http) } else { http.or(https) }?;
    Some(Endpoint { pod: node.pod.clone(), ip: node.ip.clone()?, port, https })
}
