//! The sessions of one node. What happens to them stands in the files beside this one.

use super::codec::DisconnectReason;
use super::durable::Replica;
use super::locks::Locks;
use super::mailbox::Mailbox;
use super::peers::{PeerRequest, PeerResponse, Peers};
use super::session::{Delivery, Message, Session, Window};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Figures of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions in memory: connected clients, disconnected ones that are kept, and those on their way to other nodes.
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
pub(super) const FORWARDING: Duration = Duration::from_secs(10);
/// How long a node waits for another one; a node that hangs must not hold up publishers for ever.
pub(super) const PEER_DEADLINE: Duration = Duration::from_secs(5);

/// The MQTT side of one node. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    pub(super) node: Arc<str>,
    pub(super) peers: Arc<dyn Peers>,
    pub(super) locks: Arc<Locks>,
    state: Arc<Mutex<State>>,
    limits: Limits,
    replica: Arc<Mutex<Replica>>,
    pub(super) killed: Arc<AtomicBool>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) sessions: HashMap<String, Entry>,
    /// Sessions that were given away: where to, and what they subscribe to.
    pub(super) moved: HashMap<String, Moved>,
    /// Late messages for sessions that are still on their way to us.
    pub(super) early: HashMap<String, Early>,
    /// Messages that arrive while durable sessions are fetched.
    pub(super) opening: HashMap<String, Vec<Message>>,
    pub(super) retained: BTreeMap<String, Message>,
    /// The node is evacuated: clients are sent elsewhere.
    pub(super) refusing: bool,
    /// A fault: messages are acknowledged and thrown away.
    pub(super) losing: bool,
    /// The node stops, or joins another cluster.
    closed: bool,
    numbers: u64,
}

pub(super) struct Entry {
    pub(super) session: Session,
    pub(super) connection: Option<Connection>,
}

pub(super) struct Connection {
    pub(super) number: u64,
    pub(super) mailbox: Arc<Mailbox>,
    /// What was sent over an earlier connection, and goes out first.
    pub(super) again: Vec<Delivery>,
    /// How many messages the client takes without acknowledging any.
    pub(super) receive_maximum: usize,
}

pub(super) struct Moved {
    pub(super) to: String,
    pub(super) session: Session,
    pub(super) at: Instant,
    /// The other node has not said yet that it has the session. Until then it counts as one of this node, as on brokers.
    pub(super) on_its_way: bool,
}

pub(super) struct Early {
    pub(super) messages: Vec<Message>,
    pub(super) at: Instant,
}

impl Broker {
    pub fn new(node: &str, peers: Arc<dyn Peers>, limits: Limits) -> Broker {
        Broker {
            node: node.into(),
            peers,
            locks: Arc::default(),
            state: Arc::default(),
            limits,
            replica: Arc::default(),
            killed: Arc::default(),
        }
    }

    /// Keeps its part of the durable sessions in this folder; what is there is there again.
    pub fn keep_in(&self, folder: &Path) -> io::Result<()> {
        *self.replica() = Replica::open(folder)?;
        Ok(())
    }

    pub(super) fn replica(&self) -> MutexGuard<'_, Replica> {
        self.replica.lock().expect("no holder of this lock panics")
    }

    /// Answers another node.
    pub async fn handle(&self, request: PeerRequest) -> PeerResponse {
        match request {
            PeerRequest::Deliver(message) => self.deliver_here(&message).await,
            PeerRequest::Lock { client, holder } => {
                return PeerResponse::Locked(self.locks.acquire(&client, &holder).await);
            }
            PeerRequest::Unlock { client, holder } => self.locks.release(&client, &holder),
            PeerRequest::TakeOver { client, to, discard } => {
                let given = self.give_away(&client, &to, discard);
                // The answer is the session.
                self.arrived(&client);
                return PeerResponse::Session(given);
            }
            PeerRequest::Durable(request) => return PeerResponse::Durable(self.keep(request).await),
            PeerRequest::Import(state) => self.take_in(state),
            PeerRequest::Late { client, messages, hops } => self.late(client, messages, hops).await,
        }
        PeerResponse::Done
    }

    /// While true, clients that connect are sent elsewhere.
    pub fn refuse_connections(&self, refuse: bool) {
        self.lock().refusing = refuse;
    }

    /// While true, what clients publish here is acknowledged and thrown away.
    pub fn lose_messages(&self, lose: bool) {
        self.lock().losing = lose;
    }

    /// Lets clients in again after [`Broker::shut_down`].
    pub fn open(&self) {
        self.lock().closed = false;
    }

    /// Tells every client that the node stops.
    pub fn shut_down(&self) {
        self.lock().closed = true;
        self.close(usize::MAX, DisconnectReason::ShuttingDown);
    }

    /// Nothing goes out from here on. Within a process connections outlive their node for a moment: they would acknowledge
    /// messages that no other node can be told of any more, and clients that come would take their sessions along.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        self.lock().closed = true;
        self.replica().close();
    }

    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let connected = state.sessions.values().filter(|entry| entry.connection.is_some()).count();
        let on_their_way = state.moved.values().filter(|moved| moved.on_its_way).count();
        Counts { sessions: state.sessions.len() + on_their_way, connected }
    }

    /// Subscriptions of all sessions of the node.
    pub fn subscriptions(&self) -> usize {
        self.lock().sessions.values().map(|entry| entry.session.subscriptions.len()).sum()
    }

    /// Closes up to so many connections that are not closing yet; returns how many.
    pub(super) fn close(&self, count: usize, why: DisconnectReason) -> usize {
        let state = self.lock();
        let connections = state.sessions.values().filter_map(|entry| entry.connection.as_ref());
        connections.filter(|connection| connection.mailbox.close(why)).take(count).count()
    }

    /// Forgets sessions whose time is over, and traces of those that moved; called once a second.
    pub fn expire(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.sessions.retain(|_, entry| !entry.session.is_expired(now));
        state.moved.retain(|_, moved| moved.at.elapsed() < FORWARDING);
        state.early.retain(|_, early| early.at.elapsed() < FORWARDING);
        self.locks.expire();
    }

    pub(super) fn window(&self) -> Window {
        Window { inflight: self.limits.max_inflight, queue: self.limits.max_queue }
    }

    pub(super) fn next_number(&self) -> u64 {
        self.lock().next_number()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn is_welcoming(&self) -> bool {
        !(self.refusing || self.closed)
    }

    /// The session of a client, unless another connection has it by now.
    pub(super) fn connected(&mut self, client: &str, number: u64) -> Option<&mut Entry> {
        let entry = self.sessions.get_mut(client)?;
        entry.connection.as_ref().is_some_and(|connection| connection.number == number).then_some(entry)
    }
}

impl Entry {
    pub(super) fn push(&mut self, message: Message, window: Window) {
        self.session.push(message, window);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(connection) = &self.connection {
            connection.mailbox.wake();
        }
    }

    /// Ends the connection, if there is one; the session is what remains.
    pub(super) fn into_session(self, why: DisconnectReason) -> Session {
        if let Some(connection) = self.connection {
            connection.mailbox.close(why);
        }
        self.session
    }
}
