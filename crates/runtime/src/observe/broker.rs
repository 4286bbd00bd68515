//! What EMQX tells, in the core's words. Whoever cannot be reached is not counted as zero of anything.

use crate::context::Context;
use emqx_client::api::{GetNodes, Node, NodeStatus};
use emqx_client::{Answered, Credentials, Endpoint};
use emqx_operator_core::desired::{Desired, NodeName, OPERATOR_API_KEY};
use emqx_operator_core::world::{
    self, Broker, BrokerNode, KubernetesView, Reading, Sensitive, Why, api_candidates, operator_secret,
};

/// The cluster as its cores see it.
pub async fn broker(ctx: &Context, desired: &Desired, view: &KubernetesView) -> Reading<Broker> {
    let candidates = api_candidates(desired, view);
    let Some(secret) = operator_secret(desired, view).filter(|_| !candidates.is_empty()) else {
        return Reading::Unavailable(Why::NobodyToAsk);
    };
    let endpoints: Vec<_> = candidates.iter().map(endpoint).collect();
    match ctx.emqx.ask_any(&endpoints, &credentials(&secret), &GetNodes, ctx.settings.emqx_deadline).await {
        Ok(Answered { answer, .. }) => Reading::Fresh(Broker { nodes: answer.into_iter().map(node).collect() }),
        Err(error) => Reading::Unavailable(Why::NoAnswer(error.to_string())),
    }
}

/// The operator's own API key.
pub fn credentials(Sensitive(secret): &Sensitive) -> Credentials {
    Credentials { key: OPERATOR_API_KEY.to_owned(), secret: secret.clone() }
}

/// Where a pod is asked.
pub fn endpoint(candidate: &world::Endpoint) -> Endpoint {
    Endpoint { https: candidate.https, host: candidate.ip.clone(), port: candidate.port }
}

fn node(node: Node) -> (NodeName, BrokerNode) {
    let seen = BrokerNode {
        running: node.node_status == NodeStatus::Running,
        role: node.role,
        version: node.version,
        edition: node.edition,
        otp_release: node.otp_release,
        sessions: node.connections,
        connections: node.live_connections,
    };
    (NodeName(node.node), seen)
}
