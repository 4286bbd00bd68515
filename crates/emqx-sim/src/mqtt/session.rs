//! A session: what a client has subscribed to, and what it has not acknowledged yet.

use super::topics;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When a message came to the cluster: microseconds of the clock, then a number of the process.
pub type MessageId = (u64, u32);

/// Greater than all before it in this process, and used by no other one.
pub(crate) fn next_id() -> MessageId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    static PROCESS: LazyLock<u32> = LazyLock::new(rand::random);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(clock.as_micros()).unwrap_or(0);
    let next = |last: u64| Some(now.max(last + 1));
    let last = LAST.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).unwrap_or_default();
    (now.max(last + 1), *PROCESS)
}

/// A message in delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Given by the node to which it was published.
    pub id: MessageId,
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
}

/// What of a session travels from node to node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    pub client: String,
    pub subscriptions: BTreeMap<String, u8>,
    /// Sent and not acknowledged, with their packet ids; in order.
    pub inflight: Vec<(u16, Message)>,
    /// Waiting to be sent; in order.
    pub queue: Vec<Message>,
    /// Seconds that the session lives without a connection.
    pub expiry: u32,
}

/// How much a session holds back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) inflight: usize,
    pub(crate) queue: usize,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) subscriptions: BTreeMap<String, u8>,
    queue: VecDeque<Message>,
    inflight: VecDeque<(u16, Message)>,
    last_id: u16,
    pub(crate) expiry: Duration,
    /// Since when no client is connected.
    pub(crate) disconnected: Option<Instant>,
    pub(crate) durable: Option<Durable>,
}

/// What a session knows of itself that replicas keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable {
    pub(crate) born: MessageId,
    /// When its connection was opened.
    pub(crate) opened: MessageId,
}

/// A message to send now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) id: u16,
    pub(crate) message: Message,
    pub(crate) again: bool,
}

impl Session {
    pub(crate) fn new(expiry: Duration) -> Self {
        Self {
            subscriptions: BTreeMap::new(),
            queue: VecDeque::new(),
            inflight: VecDeque::new(),
            last_id: 0,
            expiry,
            disconnected: None,
            durable: None,
        }
    }

    pub(crate) fn durable(expiry: Duration, durable: Durable, subscriptions: BTreeMap<String, u8>) -> Self {
        Self { subscriptions, durable: Some(durable), ..Self::new(expiry) }
    }

    /// The session as it came from another node.
    pub(crate) fn restore(state: SessionState) -> Self {
        let mut session = Self::new(Duration::from_secs(state.expiry.into()));
        session.subscriptions = state.subscriptions;
        session.last_id = state.inflight.last().map_or(0, |(id, _)| *id);
        session.inflight = state.inflight.into();
        session.queue = state.queue.into();
        session.disconnected = Some(Instant::now());
        session
    }

    /// One session of two that came to exist for the same client.
    pub(crate) fn united(here: Option<Self>, given: SessionState) -> Self {
        let Some(mut session) = here else { return Self::restore(given) };
        for (filter, qos) in given.subscriptions {
            session.subscriptions.entry(filter).or_insert(qos);
        }
        session.queue.extend(given.inflight.into_iter().map(|(_, message)| message));
        session.queue.extend(given.queue);
        session
    }

    pub(crate) fn state(&self, client: &str) -> SessionState {
        SessionState {
            client: client.to_owned(),
            subscriptions: self.subscriptions.clone(),
            inflight: self.inflight.iter().cloned().collect(),
            queue: self.queue.iter().cloned().collect(),
            expiry: u32::try_from(self.expiry.as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// The message as the session wants it, if it does.
    pub(crate) fn wanted(&self, message: &Message) -> Option<Message> {
        let matching = self.subscriptions.iter().filter(|(filter, _)| topics::matches(filter, &message.topic));
        let granted = matching.map(|(_, qos)| *qos).max()?;
        Some(Message { qos: message.qos.min(granted), retain: false, ..message.clone() })
    }

    /// Messages that were not stored have no id.
    pub(crate) fn may_have(&self, message: &Message) -> bool {
        self.durable.is_none() || message.qos == 0 || message.id != MessageId::default()
    }

    /// Takes a message in. Without a connection QoS 0 is dropped, and so is the oldest one of a full queue. Durable
    /// sessions have all messages in storage: their queue is never full, and nothing is in it twice.
    pub(crate) fn push(&mut self, message: Message, window: Window) {
        if self.disconnected.is_some() && message.qos == 0 {
            return;
        }
        if self.durable.is_some() {
            let mut known = self.queue.iter().chain(self.inflight.iter().map(|(_, sent)| sent));
            if message.qos > 0 && known.any(|one| one.id == message.id) {
                return;
            }
        } else if self.queue.len() >= window.queue {
            self.queue.pop_front();
        }
        self.queue.push_back(message);
    }

    /// What may be sent now.
    pub(crate) fn pull(&mut self, window: Window) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some(next) = self.queue.front() {
            if next.qos > 0 && self.inflight.len() >= window.inflight {
                break;
            }
            let Some(message) = self.queue.pop_front() else { break };
            let id = if message.qos > 0 { self.take_id() } else { 0 };
            if id > 0 {
                self.inflight.push_back((id, message.clone()));
            }
            deliveries.push(Delivery { id, message, again: false });
        }
        deliveries
    }

    /// What was sent over a connection that is gone, to be sent again.
    pub(crate) fn resend(&self) -> Vec<Delivery> {
        let sent = self.inflight.iter();
        sent.map(|(id, message)| Delivery { id: *id, message: message.clone(), again: true }).collect()
    }

    /// Returns the message that the client has now.
    pub(crate) fn acknowledge(&mut self, id: u16) -> Option<Message> {
        let place = self.inflight.iter().position(|(sent, _)| *sent == id)?;
        self.inflight.remove(place).map(|(_, message)| message)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.disconnected.is_some_and(|since| now.duration_since(since) >= self.expiry)
    }

    fn take_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if self.inflight.iter().all(|(id, _)| *id != self.last_id) {
                return self.last_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Session, Window};
    use std::time::{Duration, Instant};

    const WINDOW: Window = Window { inflight: 2, queue: 3 };

    fn waiting(session: &Session) -> Vec<u8> {
        let state = session.state("c");
        let inflight = state.inflight.into_iter().map(|(_, message)| message);
        inflight.chain(state.queue).map(|message| message.payload[0]).collect()
    }

    fn message(number: u8, qos: u8) -> Message {
        Message { topic: "t".into(), payload: vec![number], qos, ..Message::default() }
    }

    #[test]
    fn no_more_is_sent_than_the_window_holds() {
        let mut session = Session::new(Duration::from_secs(60));
        for number in 0..3 {
            session.push(message(number, 1), WINDOW);
        }
        let sent: Vec<_> = session.pull(WINDOW).into_iter().map(|delivery| delivery.id).collect();
        assert_eq!(sent, [1, 2]);
        session.acknowledge(1);
        assert_eq!(session.pull(WINDOW).len(), 1);
    }

    #[test]
    fn what_is_not_acknowledged_travels_first() {
        let mut session = Session::new(Duration::from_secs(60));
        for number in 0..3 {
            session.push(message(number, 1), WINDOW);
        }
        session.pull(WINDOW);
        assert_eq!(waiting(&session), [0, 1, 2]);
    }

    #[test]
    fn offline_sessions_keep_qos_1_only_and_the_newest() {
        let mut session = Session::new(Duration::from_secs(60));
        session.disconnected = Some(Instant::now());
        session.push(message(9, 0), WINDOW);
        for number in 0..4 {
            session.push(message(number, 1), WINDOW);
        }
        assert_eq!(waiting(&session), [1, 2, 3]);
    }

    #[test]
    fn packet_ids_survive_a_move() {
        let mut session = Session::new(Duration::from_secs(60));
        for number in 0..3 {
            session.push(message(number, 1), WINDOW);
        }
        session.pull(WINDOW);
        session.acknowledge(1);
        let mut moved = Session::restore(session.state("c"));
        let again: Vec<_> = moved.resend().into_iter().map(|delivery| (delivery.id, delivery.again)).collect();
        assert_eq!(again, [(2, true)]);
        let next: Vec<_> = moved.pull(WINDOW).into_iter().map(|delivery| (delivery.id, delivery.again)).collect();
        assert_eq!(next, [(3, false)]);
    }

    #[test]
    fn two_sessions_of_one_client_become_one() {
        let (mut here, mut there) = (Session::new(Duration::from_secs(60)), Session::new(Duration::from_secs(60)));
        here.subscriptions.insert("a".into(), 1);
        there.subscriptions.insert("b".into(), 0);
        here.push(message(1, 1), WINDOW);
        there.push(message(2, 1), WINDOW);
        let united = Session::united(Some(here), there.state("c"));
        assert_eq!(united.subscriptions.len(), 2);
        assert_eq!(waiting(&united), [1, 2]);
    }
}
