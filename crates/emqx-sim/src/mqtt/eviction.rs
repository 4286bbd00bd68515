//! What an evacuation does: clients are disconnected, and sessions that no client takes over are moved to other nodes.

use super::broker::{Broker, PEER_DEADLINE};
use super::codec::DisconnectReason;
use super::peers::PeerRequest;
use tokio::time::timeout;

impl Broker {
    /// Sends up to so many connected clients elsewhere; returns how many.
    pub fn evict_connections(&self, count: usize) -> usize {
        self.close(count, DisconnectReason::UseAnotherServer)
    }

    /// Moves up to so many sessions without connection to other nodes, in turn; returns how many were moved.
    pub async fn evict_sessions(&self, count: usize, targets: &[String]) -> usize {
        let mut moved = 0;
        for (client, target) in self.offline(count).iter().zip(targets.iter().cycle()) {
            let lock = self.lock_client(client).await;
            moved += usize::from(self.move_session(client, target).await);
            self.unlock_client(client, lock).await;
        }
        moved
    }

    fn offline(&self, count: usize) -> Vec<String> {
        let state = self.lock();
        let offline = state.sessions.iter().filter(|(_, entry)| entry.connection.is_none());
        offline.take(count).map(|(client, _)| client.clone()).collect()
    }

    async fn move_session(&self, client: &str, target: &str) -> bool {
        // Its client may have come back while others were moved.
        if self.lock().sessions.get(client).is_none_or(|entry| entry.connection.is_some()) {
            return false;
        }
        let Some(state) = self.give_away(client, target, false) else { return false };
        match timeout(PEER_DEADLINE, self.peers.call(target, PeerRequest::Import(state.clone()))).await {
            Ok(Ok(_)) => {
                self.arrived(client);
                true
            }
            // Only this node has the session now.
            Ok(Err(_)) | Err(_) => {
                self.take_in(state);
                false
            }
        }
    }
}
