//! The MQTT side of a node: sessions, subscriptions, messages, and what an evacuation does to them.
//!
//! A session lives in the memory of one node, as in EMQX. Messages are handed to every node, which delivers them to its
//! own sessions; a publisher gets its acknowledgement when all nodes have answered. A client that connects elsewhere
//! takes its session along: the node that had it gives it away and, for a while, passes on what still arrives for it. One
//! opening of a session at a time: see `locks.rs`.
//!
//! The node layer gives a [`Peers`] to reach other nodes, passes their requests to [`Broker::handle`], and uses
//! [`Broker::serve`] for every connection of an MQTT listener. Left out: shared subscriptions, WebSocket, QoS 2 towards
//! subscribers (granted as QoS 1), topic aliases.

mod admission;
mod broker;
mod codec;
mod connection;
mod delivery;
mod durable;
mod eviction;
mod locks;
mod mailbox;
mod peers;
mod session;
mod subscriptions;
mod topics;

pub use broker::{Broker, Counts, Limits};
pub use codec::{DisconnectReason, Protocol};
pub use durable::{DurableRequest, DurableResponse};
pub use peers::{PeerRequest, PeerResponse, Peers};
pub use session::{Message, SessionState};
