//! The sessions of one node, and their dealings with those of other nodes.

use super::codec::Goodbye;
use super::session::{Delivery, Message, Session, SessionState, Window};
use super::topics;
use futures::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedSender};

/// How other nodes are reached.
pub trait Peers: Send + Sync {
    /// The other nodes that run.
    fn nodes(&self) -> Vec<String>;
    /// Asks one of them; the error says that it cannot be reached, and nothing more.
    fn call(&self, node: &str, request: PeerRequest) -> BoxFuture<'_, Result<PeerResponse, String>>;
}

/// What nodes ask each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum PeerRequest {
    /// Hand this to your sessions.
    Deliver(Message),
    /// Give me the session of this client, or end it. `to` is the node that asks.
    TakeOver { client: String, to: String, discard: bool },
    /// Take this session in; its client is not connected.
    Import(SessionState),
    /// Late messages for a session that you took over.
    Late { client: String, messages: Vec<Message> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum PeerResponse {
    Done,
    Session(Option<SessionState>),
}

/// Figures of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions in memory: connected clients, and disconnected ones that are kept.
    pub sessions: usize,
    /// Connected clients.
    pub connected: usize,
}

/// EMQX's `mqtt` settings that matter here.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_inflight: usize,
    pub max_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_inflight: 32, max_queue: 1000 }
    }
}

/// How long a node passes on what still arrives for a session that it has given away.
const FORWARDING: Duration = Duration::from_secs(10);
/// How long a node waits for another one; a node that hangs must not hold up publishers for ever.
const PEER_DEADLINE: Duration = Duration::from_secs(5);

/// The MQTT side of one node. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    pub(super) node: Arc<str>,
    peers: Arc<dyn Peers>,
    state: Arc<Mutex<State>>,
    limits: Limits,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, Entry>,
    /// Sessions that were given away: where to, and what they subscribe to.
    moved: HashMap<String, Moved>,
    /// Late messages for sessions that are still on their way to us.
    early: HashMap<String, (Instant, Vec<Message>)>,
    retained: BTreeMap<String, Message>,
    /// The node is evacuated: clients are sent elsewhere.
    refusing: bool,
    /// The node stops, or joins another cluster.
    closed: bool,
    connections: u64,
}

struct Entry {
    session: Session,
    connection: Option<Connection>,
}

struct Connection {
    number: u64,
    outbox: UnboundedSender<ToClient>,
}

struct Moved {
    to: String,
    session: Session,
    at: Instant,
}

/// What a connection is told.
pub(super) enum ToClient {
    Deliver(Vec<Delivery>),
    Close(Goodbye),
}

/// A client that has been let in.
pub(super) struct Admitted {
    pub(super) number: u64,
    pub(super) session_present: bool,
    pub(super) inbox: mpsc::UnboundedReceiver<ToClient>,
}

impl Broker {
    pub fn new(node: &str, peers: Arc<dyn Peers>, limits: Limits) -> Broker {
        Broker { node: node.into(), peers, state: Arc::default(), limits }
    }

    /// Answers another node.
    pub async fn handle(&self, request: PeerRequest) -> PeerResponse {
        match request {
            PeerRequest::Deliver(message) => {
                self.deliver_here(&message).await;
                PeerResponse::Done
            }
            PeerRequest::TakeOver { client, to, discard } => {
                PeerResponse::Session(self.give_away(&client, &to, discard))
            }
            PeerRequest::Import(state) => {
                self.take_in(state);
                PeerResponse::Done
            }
            PeerRequest::Late { client, messages } => {
                self.late(&client, messages);
                PeerResponse::Done
            }
        }
    }

    /// While true, clients that connect are sent elsewhere.
    pub fn refuse_connections(&self, refuse: bool) {
        self.lock().refusing = refuse;
    }

    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let connected = state.sessions.values().filter(|entry| entry.connection.is_some()).count();
        Counts { sessions: state.sessions.len(), connected }
    }

    /// Subscriptions of all sessions of the node.
    pub fn subscriptions(&self) -> usize {
        self.lock().sessions.values().map(|entry| entry.session.subscriptions.len()).sum()
    }

    /// Sends up to so many connected clients elsewhere; returns how many.
    pub fn evict_connections(&self, count: usize) -> usize {
        self.close(count, Goodbye::UseAnotherServer)
    }

    /// Lets clients in again after [`Broker::shut_down`].
    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// Tells every client that the node stops.
    pub fn shut_down(&self) {
        self.lock().closed = true;
        self.close(usize::MAX, Goodbye::ShuttingDown);
    }

    fn close(&self, count: usize, why: Goodbye) -> usize {
        let state = self.lock();
        let connections = state.sessions.values().filter_map(|entry| entry.connection.as_ref());
        connections.take(count).filter(|connection| connection.outbox.send(ToClient::Close(why)).is_ok()).count()
    }

    /// Moves up to so many sessions without connection to other nodes, in turn; returns how many were moved.
    pub async fn evict_sessions(&self, count: usize, targets: &[String]) -> usize {
        let clients: Vec<_> = {
            let state = self.lock();
            let offline = state.sessions.iter().filter(|(_, entry)| entry.connection.is_none());
            offline.take(count).map(|(client, _)| client.clone()).collect()
        };
        let mut moved = 0;
        for (client, target) in clients.iter().zip(targets.iter().cycle()) {
            moved += usize::from(self.move_session(client, target).await);
        }
        moved
    }

    async fn move_session(&self, client: &str, target: &str) -> bool {
        let Some(state) = self.give_away(client, target, false) else { return false };
        let import = PeerRequest::Import(state.clone());
        match tokio::time::timeout(PEER_DEADLINE, self.peers.call(target, import)).await {
            Ok(Ok(_)) => true,
            // Nobody has it now but us.
            Ok(Err(_)) | Err(_) => {
                self.lock().moved.remove(client);
                self.take_in(state);
                false
            }
        }
    }

    /// Hands a message to every session of the cluster that wants it; returns when all nodes that can be reached have.
    pub async fn publish(&self, message: Message) {
        if !topics::is_topic(&message.topic) {
            return;
        }
        let others = self.peers.nodes();
        let request = PeerRequest::Deliver(message.clone());
        let calls = others.iter().map(|node| {
            let call = self.peers.call(node, request.clone());
            async move {
                if !matches!(tokio::time::timeout(PEER_DEADLINE, call).await, Ok(Ok(_))) {
                    tracing::debug!(node, "a message did not reach a node");
                }
            }
        });
        let here = self.deliver_here(&message);
        futures::join!(here, join_all(calls));
    }

    async fn deliver_here(&self, message: &Message) {
        let forwards = self.deliver_locally(message);
        for (node, client) in forwards {
            let late = PeerRequest::Late { client, messages: vec![message.clone()] };
            let _ = tokio::time::timeout(PEER_DEADLINE, self.peers.call(&node, late)).await;
        }
    }

    /// Returns the sessions that were given away and want the message: node and client.
    fn deliver_locally(&self, message: &Message) -> Vec<(String, String)> {
        let window = self.window();
        let mut state = self.lock();
        if message.retain {
            if message.payload.is_empty() {
                state.retained.remove(&message.topic);
            } else {
                state.retained.insert(message.topic.clone(), message.clone());
            }
        }
        for entry in state.sessions.values_mut() {
            if let Some(granted) = entry.session.wants(&message.topic) {
                let qos = message.qos.min(granted);
                entry.push(Message { qos, retain: false, ..message.clone() }, window);
            }
        }
        state.moved.retain(|_, moved| moved.at.elapsed() < FORWARDING);
        let wanting = state.moved.iter().filter(|(_, moved)| moved.session.wants(&message.topic).is_some());
        wanting.map(|(client, moved)| (moved.to.clone(), client.clone())).collect()
    }

    fn give_away(&self, client: &str, to: &str, discard: bool) -> Option<SessionState> {
        let mut state = self.lock();
        let entry = state.sessions.remove(client)?;
        if let Some(connection) = entry.connection {
            let _ = connection.outbox.send(ToClient::Close(Goodbye::TakenOver));
        }
        if discard || entry.session.expiry.is_zero() {
            return None;
        }
        let session = entry.session.state(client);
        state.moved.insert(client.to_owned(), Moved { to: to.to_owned(), session: entry.session, at: Instant::now() });
        Some(session)
    }

    fn take_in(&self, given: SessionState) {
        let window = self.window();
        let client = given.client.clone();
        let mut state = self.lock();
        state.moved.remove(&client);
        let mut session = Session::restore(given);
        for message in state.early.remove(&client).map(|(_, messages)| messages).unwrap_or_default() {
            session.push(message, window);
        }
        state.sessions.entry(client).or_insert(Entry { session, connection: None });
    }

    fn late(&self, client: &str, messages: Vec<Message>) {
        let window = self.window();
        let mut state = self.lock();
        state.early.retain(|_, (at, _)| at.elapsed() < FORWARDING);
        if let Some(entry) = state.sessions.get_mut(client) {
            for message in messages {
                let granted = entry.session.wants(&message.topic).unwrap_or(message.qos);
                entry.push(Message { qos: message.qos.min(granted), retain: false, ..message }, window);
            }
        } else {
            state.early.entry(client.to_owned()).or_insert_with(|| (Instant::now(), Vec::new())).1.extend(messages);
        }
    }

    /// Lets a client in, with its session, wherever that is; `None` while clients are sent elsewhere.
    pub(super) async fn admit(&self, client: &str, clean: bool, expiry: Duration) -> Option<Admitted> {
        let welcome = {
            let state = self.lock();
            !(state.refusing || state.closed)
        };
        if !welcome {
            return None;
        }
        let given = self.fetch_from_peers(client, clean).await;
        let (outbox, inbox) = mpsc::unbounded_channel();
        let mut state = self.lock();
        state.connections += 1;
        let number = state.connections;
        state.moved.remove(client);
        let here = state.sessions.remove(client).map(|entry| {
            if let Some(connection) = entry.connection {
                let _ = connection.outbox.send(ToClient::Close(Goodbye::TakenOver));
            }
            entry.session
        });
        let found = if clean { None } else { here.or_else(|| given.map(Session::restore)) };
        let session_present = found.is_some();
        let mut session = found.unwrap_or_else(|| Session::new(expiry));
        session.expiry = expiry;
        session.disconnected = None;
        for message in state.early.remove(client).map(|(_, messages)| messages).unwrap_or_default() {
            session.push(message, self.window());
        }
        let again = session.resend();
        let mut entry = Entry { session, connection: Some(Connection { number, outbox }) };
        entry.send(again);
        entry.flush(self.window());
        state.sessions.insert(client.to_owned(), entry);
        Some(Admitted { number, session_present, inbox })
    }

    async fn fetch_from_peers(&self, client: &str, discard: bool) -> Option<SessionState> {
        let nodes = self.peers.nodes();
        let calls = nodes.iter().map(|node| {
            let request = PeerRequest::TakeOver { client: client.to_owned(), to: self.node.to_string(), discard };
            tokio::time::timeout(PEER_DEADLINE, self.peers.call(node, request))
        });
        let answers = join_all(calls).await;
        answers.into_iter().find_map(|answer| match answer {
            Ok(Ok(PeerResponse::Session(session))) => session,
            Ok(Ok(PeerResponse::Done) | Err(_)) | Err(_) => None,
        })
    }

    /// The connection is gone; the session stays as long as it may.
    pub(super) fn leave(&self, client: &str, number: u64) {
        let mut state = self.lock();
        let Some(entry) = state.sessions.get_mut(client) else { return };
        if entry.connection.as_ref().is_none_or(|connection| connection.number != number) {
            return;
        }
        entry.connection = None;
        entry.session.disconnected = Some(Instant::now());
        if entry.session.expiry.is_zero() {
            state.sessions.remove(client);
        }
    }

    /// Forgets sessions whose time is over; called once a second.
    pub fn expire(&self) {
        let now = Instant::now();
        self.lock().sessions.retain(|_, entry| !entry.session.is_expired(now));
    }

    pub(super) fn acknowledge(&self, client: &str, id: u16) {
        let window = self.window();
        if let Some(entry) = self.lock().sessions.get_mut(client) {
            entry.session.acknowledge(id);
            entry.flush(window);
        }
    }

    /// Granted qualities; `None` where a filter is none.
    pub(super) fn subscribe(&self, client: &str, filters: &[(String, u8)]) -> Vec<Option<u8>> {
        let window = self.window();
        let mut state = self.lock();
        let mut retained = Vec::new();
        let granted = filters
            .iter()
            .map(|(filter, qos)| {
                let qos = (*qos).min(1);
                topics::is_filter(filter).then(|| {
                    let matching = state.retained.values().filter(|message| topics::matches(filter, &message.topic));
                    retained.extend(matching.map(|message| Message { qos: message.qos.min(qos), ..message.clone() }));
                    qos
                })
            })
            .collect::<Vec<_>>();
        if let Some(entry) = state.sessions.get_mut(client) {
            for ((filter, _), granted) in filters.iter().zip(&granted) {
                if let Some(qos) = granted {
                    entry.session.subscriptions.insert(filter.clone(), *qos);
                }
            }
            for message in retained {
                entry.push(message, window);
            }
        }
        granted
    }

    pub(super) fn unsubscribe(&self, client: &str, filters: &[String]) {
        if let Some(entry) = self.lock().sessions.get_mut(client) {
            entry.session.subscriptions.retain(|filter, _| !filters.contains(filter));
        }
    }

    fn window(&self) -> Window {
        Window { inflight: self.limits.max_inflight, queue: self.limits.max_queue }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Entry {
    fn push(&mut self, message: Message, window: Window) {
        self.session.push(message, window);
        self.flush(window);
    }

    fn flush(&mut self, window: Window) {
        if self.connection.is_some() {
            let deliveries = self.session.pull(window);
            self.send(deliveries);
        }
    }

    fn send(&self, deliveries: Vec<Delivery>) {
        if let Some(connection) = self.connection.as_ref().filter(|_| !deliveries.is_empty()) {
            let _ = connection.outbox.send(ToClient::Deliver(deliveries));
        }
    }
}
