//! From a publisher to all sessions of the cluster that want the message. A publisher is answered when every node that
//! can be reached has the message; a session that changes its node meanwhile gets it from the node that it has left.

use super::broker::{Broker, Early, FORWARDING, PEER_DEADLINE};
use super::peers::PeerRequest;
use super::session::{Delivery, Message, MessageId, Window, next_id};
use super::topics;
use futures::future::{BoxFuture, FutureExt as _, join_all};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A session that moves on and on is followed so far.
const MOST_HOPS: u8 = 8;
/// Before a message is acknowledged that too few replicas have.
const STORE_ATTEMPTS: u32 = 5;
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// When the message is sent again to a node that was silent.
const LATER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Messages for a session that was given away to another node.
struct Forward {
    node: String,
    client: String,
    messages: Vec<Message>,
}

impl Broker {
    /// Hands a message to every session of the cluster that wants it; returns when all nodes that can be reached have.
    /// False if durable sessions do not have it: like real brokers, we acknowledge it all the same.
    pub async fn publish(&self, mut message: Message) -> bool {
        if !topics::is_topic(&message.topic) || self.lock().losing {
            return true;
        }
        message.id = next_id();
        // Before other nodes get it: a node that fetches a session from now on finds the message there.
        let kept = message.qos == 0 || !self.keeps_sessions() || self.store_patiently(&message).await;
        if !kept {
            // Durable sessions get only what is in storage.
            message.id = MessageId::default();
        }
        let others = self.peers.nodes();
        let calls = others.iter().map(|node| async {
            if !self.tell(node, PeerRequest::Deliver(message.clone())).await && message.qos > 0 {
                self.tell_later(node, &message);
            }
        });
        futures::join!(self.deliver_here(&message), join_all(calls));
        kept
    }

    /// A node that was silent for a moment still gets it, as from the buffers between real nodes. The publisher does not wait for it.
    fn tell_later(&self, node: &str, message: &Message) {
        let (broker, node, message) = (self.clone(), node.to_owned(), message.clone());
        tokio::spawn(async move {
            for pause in LATER {
                sleep(pause).await;
                if broker.tell(&node, PeerRequest::Deliver(message.clone())).await {
                    return;
                }
            }
        });
    }

    /// A replica that did not answer once may the next time.
    async fn store_patiently(&self, message: &Message) -> bool {
        for _ in 0..STORE_ATTEMPTS {
            if self.store(message).await.is_ok() {
                return true;
            }
            sleep(STORE_PAUSE).await;
        }
        false
    }

    async fn tell(&self, node: &str, request: PeerRequest) -> bool {
        let told = matches!(timeout(PEER_DEADLINE, self.peers.call(node, request)).await, Ok(Ok(_)));
        if !told {
            tracing::debug!(node, "a message did not reach a node");
        }
        told
    }

    pub(super) async fn deliver_here(&self, message: &Message) {
        let forwards = self.deliver_locally(message).into_iter();
        join_all(forwards.map(|forward| self.forward(forward, 0))).await;
    }

    async fn forward(&self, Forward { node, client, messages }: Forward, hops: u8) {
        let late = PeerRequest::Late { client: client.clone(), messages: messages.clone(), hops };
        if !self.tell(&node, late).await {
            // The node may never have got the session: then that comes back here, and finds these.
            self.keep_late(client, messages, MOST_HOPS);
        }
    }

    fn deliver_locally(&self, message: &Message) -> Vec<Forward> {
        let window = self.window();
        let mut state = self.lock();
        if message.retain {
            if message.payload.is_empty() {
                state.retained.remove(&message.topic);
            } else {
                state.retained.insert(message.topic.clone(), message.clone());
            }
        }
        if message.qos == 0 || message.id != MessageId::default() {
            state.opening.values_mut().for_each(|waiting| waiting.push(message.clone()));
        }
        for entry in state.sessions.values_mut() {
            if let Some(wanted) = entry.session.wanted(message).filter(|one| entry.session.may_have(one)) {
                entry.push(wanted, window);
            }
        }
        state.moved.retain(|_, moved| moved.at.elapsed() < FORWARDING);
        let forwards = state.moved.iter().filter_map(|(client, moved)| {
            let messages = vec![moved.session.wanted(message)?];
            Some(Forward { node: moved.to.clone(), client: client.clone(), messages })
        });
        forwards.collect()
    }

    /// Takes in messages for a session that came here, is about to come, or has left again.
    pub(super) fn late(&self, client: String, messages: Vec<Message>, hops: u8) -> BoxFuture<'_, ()> {
        async move {
            if let Some(forward) = self.keep_late(client, messages, hops) {
                self.forward(forward, hops + 1).await;
            }
        }
        .boxed()
    }

    /// Returns the messages if another node should have them.
    fn keep_late(&self, client: String, messages: Vec<Message>, hops: u8) -> Option<Forward> {
        let window = self.window();
        let mut state = self.lock();
        if let Some(entry) = state.sessions.get_mut(&client) {
            messages.into_iter().for_each(|message| entry.push(message, window));
            return None;
        }
        if let Some(moved) = state.moved.get(&client).filter(|_| hops < MOST_HOPS) {
            return Some(Forward { node: moved.to.clone(), client, messages });
        }
        let early = state.early.entry(client);
        let early = early.or_insert_with(|| Early { messages: Vec::new(), at: Instant::now() });
        early.messages.extend(messages);
        early.messages.truncate(window.queue);
        None
    }

    /// What a connection is to send now.
    pub(super) fn due(&self, client: &str, number: u64) -> Vec<Delivery> {
        let Window { inflight, queue } = self.window();
        let mut state = self.lock();
        let Some(entry) = state.connected(client, number) else { return Vec::new() };
        let Some(connection) = &mut entry.connection else { return Vec::new() };
        let mut due = std::mem::take(&mut connection.again);
        due.extend(entry.session.pull(Window { inflight: inflight.min(connection.receive_maximum), queue }));
        due
    }

    pub(super) fn acknowledge(&self, client: &str, number: u64, id: u16) {
        let mut state = self.lock();
        let Some(entry) = state.connected(client, number) else { return };
        let done = entry.session.acknowledge(id);
        let durable = entry.session.durable.is_some();
        entry.wake();
        if let Some(message) = done.filter(|_| durable) {
            self.forget_message(client, message.id);
        }
    }
}
