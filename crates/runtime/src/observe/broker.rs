//! EMQX's answers, as types of the core. A core that cannot be reached never counts as zero of anything, and a failed request
//! does not affect the answers to other requests.

use super::bounds;
use crate::context::Context;
use crate::observe::storage::storage;
use emqx_client::api::{self, EvacuationState, GetGlobalStatus, GetNodes, Node, NodeStatus, Request};
use emqx_client::{Answered, Client, Credentials, Endpoint, Feature, NoAnswer, Presence};
use emqx_operator_core::desired::{ApiKey, Desired, NodeName, OPERATOR_API_KEY};
use emqx_operator_core::world::{
    self, Broker, BrokerNode, Disagreement, Evacuation, EvacuationParameters, EvacuationPhase, KubernetesView, Memory,
    Needs, Reading, Refusal, Sensitive, View, Why, agree, api_candidates, needs, operator_secret,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The cluster as its cores see it.
pub async fn broker(ctx: &Context, desired: &Desired, view: &KubernetesView, memory: &Memory) -> Reading<Broker> {
    let endpoints = api_candidates(desired, view);
    let Some(secret) = operator_secret(desired, view).filter(|_| !endpoints.is_empty()) else {
        return Reading::Unavailable(Why::NobodyToAsk);
    };
    let emqx = match ctx.emqx.trusting(desired.api_ca.as_deref()) {
        Ok(emqx) => emqx,
        Err(error) => {
            let text = format!("{error}; correct the Secret that spec.apiTLS.caSecretRef names");
            return Reading::Unavailable(Why::NoAnswer(bounds::why(&text)));
        }
    };
    let cores = endpoints.iter().map(|core| (desired.names.core_node(&core.pod), endpoint(core))).collect();
    let asker = Asker::new(emqx, cores, credentials(&secret), ctx.settings.emqx_deadline);
    look(asker, needs(desired, view, memory), &desired.api_keys).await
}

pub(super) async fn look(asker: Asker, needs: Needs, keys: &[ApiKey]) -> Reading<Broker> {
    let mut views = match views(&asker).await {
        Ok(views) => views,
        Err(why) => return Reading::Unavailable(why),
    };
    let Some((spokesman, disagreement)) = agree(&views) else { return Reading::Unavailable(Why::NobodyToAsk) };
    let (spokesman, nodes) = views.swap_remove(spokesman);
    // Other requests go first to the core whose view counts, and never to a core that is apart.
    let asker = asker.of_cluster(&spokesman, &disagreement);
    let (evacuations, storage, unknown_keys) = tokio::join!(
        only_if(needs.evacuations, evacuations(&asker, &nodes)),
        only_if(needs.storage, storage(&asker, is_open_source(&nodes))),
        only_if(needs.api_keys, unknown_keys(&asker, keys)),
    );
    Reading::Fresh(Broker { nodes, disagreement, evacuations, storage, unknown_keys })
}

/// The views of all cores that answer, in the order of the cores. The other cores are asked after one core has answered: if none
/// does, that is reported once.
async fn views(asker: &Asker) -> Result<Vec<(NodeName, View)>, Why> {
    let Answered { answer, by, .. } = asker.ask(&GetNodes).await.map_err(|error| no_answer(&error))?;
    let mut first = Some(nodes(answer)?);
    // They have bytes of their own, so that long lists leave enough for the other questions.
    let emqx = &asker.emqx.clone().reading_at_most(bounds::BYTES);
    let views = asker.cores.iter().map(|(name, endpoint)| {
        let known = (*endpoint == by).then(|| first.take()).flatten();
        async move {
            // A core that does not answer, or whose list is out of bounds, says nothing about the cluster.
            let view = match known {
                Some(view) => view,
                None => nodes(asker.ask_one(emqx, endpoint).await?).ok()?,
            };
            Some((name.clone(), view))
        }
    });
    Ok(futures::future::join_all(views).await.into_iter().flatten().collect())
}

async fn only_if<T>(wanted: bool, question: impl Future<Output = Reading<T>>) -> Reading<T> {
    if wanted { question.await } else { Reading::Unavailable(Why::NotAsked) }
}

/// Sends the requests of one observation to the nodes of a cluster.
pub(super) struct Asker {
    emqx: Client,
    /// Best first.
    cores: Vec<(NodeName, Endpoint)>,
    /// Where they are asked.
    endpoints: Vec<Endpoint>,
    credentials: Credentials,
    /// For one question.
    deadline: Duration,
    /// Of the look.
    end: Instant,
    turns: Semaphore,
}

impl Asker {
    pub(super) fn new(
        emqx: Client,
        cores: Vec<(NodeName, Endpoint)>,
        credentials: Credentials,
        deadline: Duration,
    ) -> Self {
        let (emqx, turns) = (emqx.reading_at_most(bounds::BYTES), Semaphore::new(bounds::AT_A_TIME));
        let (endpoints, end) = (endpoints(&cores), Instant::now() + bounds::chain(deadline));
        Self { emqx, cores, endpoints, credentials, deadline, end, turns }
    }

    pub(super) async fn ask<R: Request<As = Credentials>>(&self, request: &R) -> Result<Answered<R::Answer>, NoAnswer> {
        self.ask_as(&self.credentials, request).await
    }

    async fn ask_as<R: Request<As = Credentials>>(
        &self,
        who: &Credentials,
        request: &R,
    ) -> Result<Answered<R::Answer>, NoAnswer> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        self.emqx.ask_any(&self.endpoints, who, request, self.left()).await
    }

    /// What one core lists.
    async fn ask_one(&self, emqx: &Client, core: &Endpoint) -> Option<Vec<Node>> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        emqx.ask(core, &self.credentials, &GetNodes, self.left()).await.ok()
    }

    fn left(&self) -> Duration {
        self.deadline.min(self.end.saturating_duration_since(Instant::now()))
    }

    fn of_cluster(mut self, first: &NodeName, disagreement: &Disagreement) -> Self {
        self.cores.retain(|(name, _)| !disagreement.apart.contains_key(name));
        self.cores.sort_by_key(|(name, _)| name != first);
        self.endpoints = endpoints(&self.cores);
        self
    }

    /// What a 404 means: the feature is not there, or the node has just opened its port.
    pub(super) async fn off_or<T>(&self, feature: Feature, error: &NoAnswer) -> Reading<T> {
        let unavailable = Reading::Unavailable(no_answer(error));
        let Some(endpoint) = self.endpoints.first().filter(|_| error.missing().is_some()) else { return unavailable };
        match self.emqx.probe(endpoint, &self.credentials, feature, self.left()).await {
            Presence::Absent => Reading::Off,
            Presence::Present | Presence::Unknown => unavailable,
        }
    }
}

fn endpoints(cores: &[(NodeName, Endpoint)]) -> Vec<Endpoint> {
    cores.iter().map(|(_, endpoint)| endpoint.clone()).collect()
}

pub(super) fn no_answer(error: &NoAnswer) -> Why {
    let text = bounds::why(&error.to_string());
    if error.is_unauthorized() {
        return Why::LockedOut { refusal: Refusal::KeyNotAccepted, text };
    }
    if error.is_forbidden() {
        return Why::LockedOut { refusal: Refusal::KeyTooSmall, text };
    }
    if error.is_untrusted() {
        let hint = "put the authority that made the dashboard's certificate into the Secret of spec.apiTLS.caSecretRef";
        return Why::NoAnswer(format!("{text}; {hint}"));
    }
    Why::NoAnswer(text)
}

/// By name. Of a node that is listed twice the worse entry counts, so that a second entry neither makes a node a member nor
/// permits its removal.
fn nodes(listed: Vec<Node>) -> Result<View, Why> {
    bounds::few("nodes", listed.len(), bounds::NODES)?;
    let mut nodes = BTreeMap::new();
    for (name, seen) in listed.into_iter().map(node) {
        match nodes.entry(bounds::node_name(name)?) {
            Entry::Vacant(place) => {
                place.insert(seen);
            }
            Entry::Occupied(mut known) => known.get_mut().doubt(&seen),
        }
    }
    Ok(nodes)
}

/// The open source edition up to 5.8 has neither evacuation nor an API of durable storage.
fn is_open_source(nodes: &View) -> bool {
    let mut editions = nodes.values().filter_map(|node| node.edition.as_deref()).peekable();
    editions.peek().is_some() && editions.all(|edition| edition == "Opensource")
}

async fn evacuations(asker: &Asker, nodes: &View) -> Reading<BTreeMap<NodeName, Evacuation>> {
    if is_open_source(nodes) {
        return Reading::Off;
    }
    match asker.ask(&GetGlobalStatus).await {
        Ok(Answered { answer, .. }) => closed(answer).map_or_else(Reading::Unavailable, Reading::Fresh),
        Err(error) => asker.off_or(Feature::LoadRebalance, &error).await,
    }
}

/// The API keys that EMQX refuses. A key without the right to list nodes is known.
async fn unknown_keys(asker: &Asker, keys: &[ApiKey]) -> Reading<Vec<String>> {
    let mut unknown = Vec::new();
    for ApiKey { key, secret } in keys {
        match asker.ask_as(&Credentials { key: key.clone(), secret: secret.clone() }, &GetNodes).await {
            Ok(_) => {}
            Err(error) if error.is_forbidden() => {}
            Err(error) if error.is_unauthorized() => unknown.push(key.clone()),
            Err(error) => return Reading::Unavailable(no_answer(&error)),
        }
    }
    Reading::Fresh(unknown)
}

fn closed(answer: api::GlobalStatus) -> Result<BTreeMap<NodeName, Evacuation>, Why> {
    let donors = answer.rebalances.iter().map(|seen| seen.donors.as_ref().map_or(0, Vec::len)).sum::<usize>();
    bounds::few("evacuations", answer.evacuations.len().saturating_add(donors), bounds::NODES)?;
    let mut closed = BTreeMap::new();
    for rebalance in answer.rebalances {
        let phase = EvacuationPhase::Rebalancing { coordinator: bounds::node_name(rebalance.node)? };
        let donor = Evacuation { phase, connected: None, parameters: EvacuationParameters::default() };
        // Donors of a rebalance, which give clients away.
        for name in rebalance.donors.unwrap_or_default() {
            closed.insert(bounds::node_name(name)?, donor.clone());
        }
    }
    // For a node that is in both lists, the evacuation counts.
    for seen in answer.evacuations {
        closed.insert(bounds::node_name(seen.node.clone())?, evacuation(seen)?);
    }
    Ok(closed)
}

fn evacuation(seen: api::Evacuation) -> Result<Evacuation, Why> {
    let recipients = seen.session_recipients.unwrap_or_default();
    bounds::few("recipients", recipients.len(), bounds::NODES)?;
    let stats = seen.stats.unwrap_or_default();
    let phase = match &seen.state {
        EvacuationState::WaitingHealthCheck => EvacuationPhase::WaitingForLoadBalancers,
        EvacuationState::EvictingConns => EvacuationPhase::EvictingConnections,
        EvacuationState::WaitingTakeover => EvacuationPhase::WaitingForTakeover,
        EvacuationState::EvictingSessions => EvacuationPhase::EvictingSessions,
        EvacuationState::Prohibiting => EvacuationPhase::Empty,
        EvacuationState::Disabled => EvacuationPhase::Other("disabled".to_owned()),
        EvacuationState::Unknown(name) => EvacuationPhase::Other(bounds::text(name)),
    };
    let parameters = EvacuationParameters {
        state: match &seen.state {
            EvacuationState::WaitingHealthCheck => "waiting_health_check".to_owned(),
            EvacuationState::EvictingConns => "evicting_conns".to_owned(),
            EvacuationState::WaitingTakeover => "waiting_takeover".to_owned(),
            EvacuationState::EvictingSessions => "evicting_sessions".to_owned(),
            EvacuationState::Prohibiting => "prohibiting".to_owned(),
            EvacuationState::Disabled => "disabled".to_owned(),
            EvacuationState::Unknown(name) => bounds::text(name),
        },
        recipients: recipients.into_iter().map(|name| bounds::name("node", name)).collect::<Result<_, _>>()?,
        session_rate: seen.session_eviction_rate,
        connection_rate: seen.connection_eviction_rate,
        initial_sessions: stats.initial_sessions,
        initial_connections: stats.initial_connected,
    };
    Ok(Evacuation { phase, connected: stats.current_connected, parameters })
}

/// The operator's own API key.
pub fn credentials(Sensitive(secret): &Sensitive) -> Credentials {
    Credentials { key: OPERATOR_API_KEY.to_owned(), secret: secret.clone() }
}

/// Where a pod is asked.
pub fn endpoint(candidate: &world::Endpoint) -> Endpoint {
    Endpoint { https: candidate.https, host: candidate.ip.clone(), port: candidate.port }
}

fn node(node: Node) -> (String, BrokerNode) {
    let text = |text: Option<String>| text.map(|text| bounds::text(&text));
    let seen = BrokerNode {
        running: node.node_status == NodeStatus::Running,
        status: match &node.node_status {
            NodeStatus::Unknown(word) => Some(bounds::text(word)),
            NodeStatus::Running | NodeStatus::Stopped => None,
        },
        role: text(node.role),
        version: text(node.version),
        edition: text(node.edition),
        otp_release: text(node.otp_release),
        sessions: node.connections,
        connections: node.live_connections,
    };
    (node.node, seen)
}
