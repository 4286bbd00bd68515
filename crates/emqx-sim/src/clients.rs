//! The clients of one node as the rest of the node sees them: counts, eviction, and whether new ones are welcome.
//! The MQTT listeners implement [`Clients`]; [`Synthetic`] stands in where only the numbers matter.

use crate::mqtt::{DurableResponse, PeerRequest, PeerResponse};
use futures::future::{BoxFuture, FutureExt};
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Connected clients.
    pub connected: u64,
    /// In-memory sessions whose client is away.
    pub disconnected: u64,
    /// Durable sessions of clients that are away; they belong to the cluster, not to a node.
    #[serde(default)]
    pub durable_offline: u64,
}

impl Counts {
    pub fn sessions(&self) -> u64 {
        self.connected + self.disconnected
    }
}

pub trait Clients: Send + Sync {
    fn counts(&self) -> Counts;
    /// Durable sessions of the cluster whose client is away.
    fn durable_offline(&self) -> BoxFuture<'_, u64> {
        async { self.counts().durable_offline }.boxed()
    }
    /// Closes up to `limit` connections; their sessions stay.
    fn evict_connections(&self, limit: u64);
    /// Moves up to `limit` sessions whose client is away to these nodes, in turn. Returns how many of them were mere
    /// numbers, which the caller hands over.
    fn evict_sessions(&self, limit: u64, to: &[String]) -> BoxFuture<'_, u64>;
    /// Takes over sessions that were mere numbers on another node.
    fn receive_sessions(&self, count: u64);
    fn refuse(&self, refuse: bool);
    /// A fault: messages are acknowledged and thrown away.
    fn lose_messages(&self, _lose: bool) {}
    /// Answers the MQTT side of another node.
    fn handle(&self, request: PeerRequest) -> BoxFuture<'_, PeerResponse> {
        let answer = match request {
            PeerRequest::TakeOver { .. } => PeerResponse::Session(None),
            PeerRequest::Lock { .. } => PeerResponse::Locked(true),
            PeerRequest::Durable(_) => PeerResponse::Durable(DurableResponse::Done),
            PeerRequest::Deliver(_)
            | PeerRequest::Import(_)
            | PeerRequest::Late { .. }
            | PeerRequest::Unlock { .. } => PeerResponse::Done,
        };
        async move { answer }.boxed()
    }
}

/// Numbers set by a test.
#[derive(Debug, Default)]
pub struct Synthetic(Mutex<Counts>);

impl Synthetic {
    pub fn set(&self, counts: Counts) {
        *self.lock() = counts;
    }

    /// So many sessions leave; returns how many there were.
    pub(crate) fn give_away(&self, limit: u64) -> u64 {
        let mut counts = self.lock();
        let evicted = counts.disconnected.min(limit);
        counts.disconnected -= evicted;
        evicted
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().expect("no code panics while it holds the counts")
    }
}

impl Clients for Synthetic {
    fn counts(&self) -> Counts {
        *self.lock()
    }

    fn evict_connections(&self, limit: u64) {
        let mut counts = self.lock();
        let evicted = counts.connected.min(limit);
        counts.connected -= evicted;
        counts.disconnected += evicted;
    }

    fn evict_sessions(&self, limit: u64, _to: &[String]) -> BoxFuture<'_, u64> {
        let evicted = self.give_away(limit);
        async move { evicted }.boxed()
    }

    fn receive_sessions(&self, count: u64) {
        self.lock().disconnected += count;
    }

    fn refuse(&self, _refuse: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evicted_connections_leave_their_sessions() {
        let clients = Synthetic::default();
        clients.set(Counts { connected: 7, disconnected: 1, durable_offline: 0 });
        clients.evict_connections(5);
        assert_eq!(clients.counts(), Counts { connected: 2, disconnected: 6, durable_offline: 0 });
        assert_eq!(clients.give_away(10), 6);
    }
}
