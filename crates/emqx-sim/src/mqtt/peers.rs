//! What nodes ask each other, and how they are reached.

use super::durable::{DurableRequest, DurableResponse};
use super::session::{Message, SessionState};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// How other nodes are reached.
pub trait Peers: Send + Sync {
    /// The other nodes that run.
    fn nodes(&self) -> Vec<String>;
    /// The nodes that hold each shard of durable storage; none before shards were allocated. `None` when sessions are not
    /// durable.
    fn shards(&self) -> Option<Vec<Vec<String>>> {
        None
    }
    /// Asks one of them; the error says that it cannot be reached, and nothing more.
    fn call(&self, node: &str, request: PeerRequest) -> BoxFuture<'_, Result<PeerResponse, String>>;
}

/// What nodes ask each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum PeerRequest {
    /// Hand this to your sessions.
    Deliver(Message),
    /// Prevent other nodes from opening or moving the session of this client until the holder unlocks it.
    Lock {
        client: String,
        holder: String,
    },
    Unlock {
        client: String,
        holder: String,
    },
    /// Give me the session of this client, or end it. `to` is the node that asks.
    TakeOver {
        client: String,
        to: String,
        discard: bool,
    },
    /// A request about durable sessions.
    Durable(DurableRequest),
    /// Take this session in; its client is not connected.
    Import(SessionState),
    /// Late messages for a session that you took over; `hops` is how often they were passed on.
    Late {
        client: String,
        messages: Vec<Message>,
        hops: u8,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum PeerResponse {
    Done,
    Locked(bool),
    Session(Option<SessionState>),
    Durable(DurableResponse),
}
