//! One client, one opening of its session at a time, as in EMQX. The lock of a client is kept by one node of the cluster,
//! the last by name: cores have names, which sort after the addresses of replicants. Without it a client that connects to two nodes at once would have a session on each, and one that
//! connects while its session is being moved would find none.
//!
//! If a lock is not acquired in time the node continues without it: duplicate sessions are united at the next opening.

use super::broker::Broker;
use super::peers::{PeerRequest, PeerResponse};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a node waits for a lock at the node that keeps it.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the answer of that node may take: a little longer, so that no lock is acquired without its holder knowing it.
const DEADLINE: Duration = Duration::from_secs(4);
/// A holder that has not unlocked after this time has died.
const LEASE: Duration = Duration::from_secs(10);

/// The locks that this node keeps.
#[derive(Default)]
pub(super) struct Locks {
    held: Mutex<HashMap<String, Held>>,
    released: Notify,
}

struct Held {
    holder: String,
    until: Instant,
}

/// The right to open or move the session of a client. Must be given back with [`Broker::unlock`].
#[must_use]
pub(super) struct ClientLock {
    keeper: String,
    holder: String,
}

impl Locks {
    /// Whether the lock was had in time.
    pub(super) async fn acquire(&self, client: &str, holder: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut released = std::pin::pin!(self.released.notified());
            // From here on no release is missed.
            released.as_mut().enable();
            let Some(until) = self.try_acquire(client, holder) else { return true };
            if Instant::now() >= deadline {
                return false;
            }
            let _ = timeout_at(until.min(deadline), released).await;
        }
    }

    pub(super) fn release(&self, client: &str, holder: &str) {
        let mut held = self.held();
        if held.get(client).is_some_and(|lock| lock.holder == holder) {
            held.remove(client);
            drop(held);
            self.released.notify_waiters();
        }
    }

    /// Until when the lock is another's.
    fn try_acquire(&self, client: &str, holder: &str) -> Option<Instant> {
        let now = Instant::now();
        let mut held = self.held();
        if let Some(lock) = held.get(client).filter(|lock| lock.until > now) {
            return Some(lock.until);
        }
        held.insert(client.to_owned(), Held { holder: holder.to_owned(), until: now + LEASE });
        None
    }

    /// Forgets locks of the dead.
    pub(super) fn expire(&self) {
        let now = Instant::now();
        self.held().retain(|_, lock| lock.until > now);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

impl Broker {
    /// `None` if the lock was not acquired in time.
    pub(super) async fn lock_client(&self, client: &str) -> Option<ClientLock> {
        let keeper = self.peers.nodes().into_iter().chain([self.node.to_string()]).max()?;
        let holder = format!("{}/{}", self.node, self.next_number());
        let locked = if *keeper == *self.node {
            self.locks.acquire(client, &holder).await
        } else {
            let request = PeerRequest::Lock { client: client.to_owned(), holder: holder.clone() };
            matches!(timeout(DEADLINE, self.peers.call(&keeper, request)).await, Ok(Ok(PeerResponse::Locked(true))))
        };
        if !locked {
            tracing::debug!(client, keeper, "went on without the lock of a client");
        }
        locked.then_some(ClientLock { keeper, holder })
    }

    pub(super) async fn unlock_client(&self, client: &str, lock: Option<ClientLock>) {
        let Some(ClientLock { keeper, holder }) = lock else { return };
        if *keeper == *self.node {
            self.locks.release(client, &holder);
        } else {
            let request = PeerRequest::Unlock { client: client.to_owned(), holder };
            let _ = timeout(DEADLINE, self.peers.call(&keeper, request)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Locks;

    #[tokio::test]
    async fn a_lock_waits_for_its_holder() {
        let locks = Locks::default();
        assert!(locks.acquire("c", "a").await);
        let (second, ()) = tokio::join!(locks.acquire("c", "b"), async { locks.release("c", "a") });
        assert!(second);
        locks.release("c", "a");
        assert!(locks.try_acquire("c", "x").is_some(), "a former holder must not unlock");
    }

    #[tokio::test]
    async fn locks_of_other_clients_are_free() {
        let locks = Locks::default();
        assert!(locks.acquire("c", "a").await);
        assert!(locks.acquire("d", "b").await);
    }
}
