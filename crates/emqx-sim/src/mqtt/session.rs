//! A session: what a client has subscribed to, and what it has not acknowledged yet.

use super::topics;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
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
    /// Sent and not acknowledged, then waiting; in order.
    pub messages: Vec<Message>,
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
    inflight: BTreeMap<u16, Message>,
    next_id: u16,
    pub(crate) expiry: Duration,
    /// Since when nobody is connected.
    pub(crate) disconnected: Option<Instant>,
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
            inflight: BTreeMap::new(),
            next_id: 0,
            expiry,
            disconnected: None,
        }
    }

    /// The session as it came from another node.
    pub(crate) fn restore(state: SessionState) -> Self {
        let mut session = Self::new(Duration::from_secs(state.expiry.into()));
        session.subscriptions = state.subscriptions;
        session.queue = state.messages.into();
        session.disconnected = Some(Instant::now());
        session
    }

    pub(crate) fn state(&self, client: &str) -> SessionState {
        SessionState {
            client: client.to_owned(),
            subscriptions: self.subscriptions.clone(),
            messages: self.inflight.values().chain(&self.queue).cloned().collect(),
            expiry: u32::try_from(self.expiry.as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// The quality at which the session wants the topic.
    pub(crate) fn wants(&self, topic: &str) -> Option<u8> {
        self.subscriptions.iter().filter(|(filter, _)| topics::matches(filter, topic)).map(|(_, qos)| *qos).max()
    }

    /// Takes a message in. Without a connection QoS 0 is dropped, and so is the oldest one of a full queue.
    pub(crate) fn push(&mut self, message: Message, window: Window) {
        if self.disconnected.is_some() && message.qos == 0 {
            return;
        }
        if self.queue.len() >= window.queue {
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
                self.inflight.insert(id, message.clone());
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

    pub(crate) fn acknowledge(&mut self, id: u16) {
        self.inflight.remove(&id);
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.disconnected.is_some_and(|since| now.duration_since(since) >= self.expiry)
    }

    fn take_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.wrapping_add(1).max(1);
            if !self.inflight.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Session, Window};
    use std::time::{Duration, Instant};

    const WINDOW: Window = Window { inflight: 2, queue: 3 };

    fn message(number: u8, qos: u8) -> Message {
        Message { topic: "t".into(), payload: vec![number], qos, retain: false }
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
        let payloads: Vec<_> = session.state("c").messages.into_iter().map(|message| message.payload[0]).collect();
        assert_eq!(payloads, [0, 1, 2]);
    }

    #[test]
    fn offline_sessions_keep_qos_1_only_and_the_newest() {
        let mut session = Session::new(Duration::from_secs(60));
        session.disconnected = Some(Instant::now());
        session.push(message(9, 0), WINDOW);
        for number in 0..4 {
            session.push(message(number, 1), WINDOW);
        }
        let payloads: Vec<_> = session.state("c").messages.into_iter().map(|message| message.payload[0]).collect();
        assert_eq!(payloads, [1, 2, 3]);
    }
}
