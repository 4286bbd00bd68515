//! Sessions that outlive their node: the durable storage of a cluster as MQTT clients notice it.
//!
//! A session belongs to a shard, by the name of its client; a shard has replicas, on the volumes of some nodes. What is
//! written counts when most replicas of the shard have it, and what is read is what most of them say together; without
//! most of them nothing is written or read. Real brokers reach the same by Raft, and keep messages by publisher.

mod quorum;
mod replica;
mod sessions;

pub(super) use replica::Replica;

use super::session::{Message, MessageId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a session is, without its messages. What the connection that was opened last has written counts, and of that the
/// last: a connection that ends late, or whose client has given it up, changes nothing for the one after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// When the connection was opened that wrote this.
    opened: MessageId,
    /// When it was written.
    version: MessageId,
    /// Messages before this one are of an earlier session of the client.
    born: MessageId,
    subscriptions: BTreeMap<String, u8>,
    /// Seconds that it lives without a connection; with none it has ended.
    expiry: u32,
    /// The node that has the connection.
    connected: Option<String>,
}

/// A session as a replica has it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    head: Head,
    /// In the order in which they were published.
    messages: Vec<Message>,
    /// Messages that the client has, so that no replica that was away brings them back.
    acknowledged: Vec<MessageId>,
}

/// What is asked of a replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum DurableRequest {
    Write(String, Head),
    /// Keep this for these clients; without any, for all whose subscriptions match.
    Store(Message, Option<Vec<String>>),
    Acknowledge(String, MessageId),
    Read(String),
    /// All sessions of a shard.
    ReadShard(usize),
    /// All sessions without their messages.
    Heads,
    /// The clients for whom messages wait that were published before this moment.
    Waiting(MessageId),
    /// Get all that the other replicas of this shard have.
    CatchUp(usize),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum DurableResponse {
    Done,
    /// The clients for whom it was kept.
    Stored(Vec<String>),
    Record(Option<Box<Record>>),
    Records(Vec<(String, Record)>),
    Waiting(BTreeSet<String>),
    /// Too few replicas answer.
    NoQuorum,
}

/// Most replicas of a shard do not answer, or shards have no replicas yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoQuorum;

impl Head {
    fn replaces(&self, other: &Head) -> bool {
        (self.opened, self.version) > (other.opened, other.version)
    }
}

impl Record {
    fn merge(&mut self, other: Record) {
        if other.head.replaces(&self.head) {
            self.head = other.head;
        }
        self.messages.extend(other.messages);
        self.acknowledged.extend(other.acknowledged);
        self.tidy();
    }

    /// Each message once, in order, and only messages that are still wanted.
    fn tidy(&mut self) {
        self.acknowledged.sort_unstable();
        self.acknowledged.dedup();
        self.messages.sort_by_key(|message| message.id);
        self.messages.dedup_by_key(|message| message.id);
        let (born, done) = (self.head.born, &self.acknowledged);
        self.messages.retain(|message| message.id >= born && done.binary_search(&message.id).is_err());
    }

    fn is_alive(&self) -> bool {
        self.head.expiry > 0
    }
}
