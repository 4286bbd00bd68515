//! What EMQX tells, in the core's words. Whoever cannot be reached is not counted as zero of anything, and a question
//! that fails leaves the answers to the others as they are.

use crate::context::Context;
use crate::observe::storage::storage;
use emqx_client::api::{self, EvacuationState, GetGlobalStatus, GetNodes, Node, NodeStatus, Request};
use emqx_client::{Answered, Credentials, Endpoint, Feature, NoAnswer, Presence};
use emqx_operator_core::desired::{Desired, NodeName, OPERATOR_API_KEY};
use emqx_operator_core::world::{
    self, Broker, BrokerNode, Evacuation, EvacuationPhase, KubernetesView, Needs, Reading, Sensitive, Told, Why,
    api_candidates, needs, operator_secret,
};
use std::collections::BTreeMap;

/// The cluster as its cores see it.
pub async fn broker(ctx: &Context, desired: &Desired, view: &KubernetesView) -> Reading<Broker> {
    let candidates = api_candidates(desired, view);
    let Some(secret) = operator_secret(desired, view).filter(|_| !candidates.is_empty()) else {
        return Reading::Unavailable(Why::NobodyToAsk);
    };
    let endpoints = candidates.iter().map(endpoint).collect();
    let asker = Asker { ctx, endpoints, credentials: credentials(&secret) };
    let Answered { answer, by, .. } = match asker.ask(&GetNodes).await {
        Ok(answered) => answered,
        Err(error) => return Reading::Unavailable(no_answer(&error)),
    };
    // What else is asked goes to the one that has just answered, first.
    let asker = asker.with_first(&by);
    let nodes: BTreeMap<_, _> = answer.into_iter().map(node).collect();
    let Needs { evacuations: wants_evacuations, storage: wants_storage } = needs(desired, view);
    let (evacuations, storage) = tokio::join!(
        only_if(wants_evacuations, evacuations(&asker, &nodes)),
        only_if(wants_storage, storage(&asker, is_open_source(&nodes))),
    );
    Reading::Fresh(Broker { nodes, evacuations, storage })
}

async fn only_if<T>(wanted: bool, question: impl Future<Output = Reading<T>>) -> Reading<T> {
    if wanted { question.await } else { Reading::Unavailable(Why::NotAsked) }
}

/// Asks the nodes of one cluster.
pub(super) struct Asker<'a> {
    pub(super) ctx: &'a Context,
    endpoints: Vec<Endpoint>,
    credentials: Credentials,
}

impl Asker<'_> {
    pub(super) async fn ask<R: Request<As = Credentials>>(&self, request: &R) -> Result<Answered<R::Answer>, NoAnswer> {
        let deadline = self.ctx.settings.emqx_deadline;
        self.ctx.emqx.ask_any(&self.endpoints, &self.credentials, request, deadline).await
    }

    fn with_first(mut self, first: &Endpoint) -> Self {
        self.endpoints.sort_by_key(|endpoint| endpoint != first);
        self
    }

    /// What a 404 means: the feature is not there, or the node has just opened its port.
    pub(super) async fn off_or<T>(&self, feature: Feature, error: &NoAnswer) -> Reading<T> {
        let unavailable = Reading::Unavailable(no_answer(error));
        let Some(endpoint) = self.endpoints.first().filter(|_| error.missing().is_some()) else { return unavailable };
        let deadline = self.ctx.settings.emqx_deadline;
        match self.ctx.emqx.probe(endpoint, &self.credentials, feature, deadline).await {
            Presence::Absent => Reading::Off,
            Presence::Present | Presence::Unknown => unavailable,
        }
    }
}

pub(super) fn no_answer(error: &NoAnswer) -> Why {
    Why::NoAnswer(error.to_string())
}

/// The open source edition up to 5.8 has neither evacuation nor an API of durable storage.
fn is_open_source(nodes: &BTreeMap<NodeName, BrokerNode>) -> bool {
    let mut editions = nodes.values().filter_map(|node| node.edition.as_deref()).peekable();
    editions.peek().is_some() && editions.all(|edition| edition == "Opensource")
}

async fn evacuations(
    asker: &Asker<'_>,
    nodes: &BTreeMap<NodeName, BrokerNode>,
) -> Reading<BTreeMap<NodeName, Evacuation>> {
    if is_open_source(nodes) {
        return Reading::Off;
    }
    match asker.ask(&GetGlobalStatus).await {
        Ok(Answered { answer, .. }) => {
            let donors = answer.rebalances.into_iter().flat_map(donors);
            // Of a node that is in both lists, an evacuation that begins is the one that stays.
            Reading::Fresh(donors.chain(answer.evacuations.into_iter().map(evacuation)).collect())
        }
        Err(error) => asker.off_or(Feature::LoadRebalance, &error).await,
    }
}

/// Those who give clients away in a rebalance.
fn donors(seen: api::Rebalance) -> impl Iterator<Item = (NodeName, Evacuation)> {
    let phase = EvacuationPhase::Rebalancing { coordinator: NodeName(seen.node) };
    let closed = Evacuation { phase, connected: None, told: Told::default() };
    seen.donors.unwrap_or_default().into_iter().map(move |donor| (NodeName(donor), closed.clone()))
}

fn evacuation(seen: api::Evacuation) -> (NodeName, Evacuation) {
    let stats = seen.stats.unwrap_or_default();
    let phase = match &seen.state {
        EvacuationState::WaitingHealthCheck => EvacuationPhase::WaitingForLoadBalancers,
        EvacuationState::EvictingConns => EvacuationPhase::EvictingConnections,
        EvacuationState::WaitingTakeover => EvacuationPhase::WaitingForTakeover,
        EvacuationState::EvictingSessions => EvacuationPhase::EvictingSessions,
        EvacuationState::Prohibiting => EvacuationPhase::Empty,
        EvacuationState::Disabled => EvacuationPhase::Other("disabled".to_owned()),
        EvacuationState::Unknown(name) => EvacuationPhase::Other(name.clone()),
    };
    let told = Told {
        state: match &seen.state {
            EvacuationState::WaitingHealthCheck => "waiting_health_check".to_owned(),
            EvacuationState::EvictingConns => "evicting_conns".to_owned(),
            EvacuationState::WaitingTakeover => "waiting_takeover".to_owned(),
            EvacuationState::EvictingSessions => "evicting_sessions".to_owned(),
            EvacuationState::Prohibiting => "prohibiting".to_owned(),
            EvacuationState::Disabled => "disabled".to_owned(),
            EvacuationState::Unknown(name) => name.clone(),
        },
        recipients: seen.session_recipients.unwrap_or_default(),
        session_rate: seen.session_eviction_rate,
        connection_rate: seen.connection_eviction_rate,
        initial_sessions: stats.initial_sessions,
        initial_connections: stats.initial_connected,
    };
    (NodeName(seen.node), Evacuation { phase, connected: stats.current_connected, told })
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
