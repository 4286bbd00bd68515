//! Connection slots of a port. When all slots are taken, the oldest idle connection is closed for the next client.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// The connection slots of one port.
pub(super) struct Slots {
    most: usize,
    occupied: Mutex<Occupied>,
}

#[derive(Default)]
struct Occupied {
    next: u64,
    /// In the order of arrival.
    clients: BTreeMap<u64, Arc<Client>>,
}

#[derive(Default)]
struct Client {
    /// A request of this client is being answered.
    busy: AtomicBool,
    cleared: CancellationToken,
}

/// The slot of one connection, freed when it is dropped.
pub(super) struct Slot {
    number: u64,
    client: Arc<Client>,
    slots: Arc<Slots>,
}

/// While this guard exists the client keeps its slot.
pub(super) struct Busy(Arc<Client>);

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        Self { most, occupied: Mutex::default() }
    }

    /// Takes a slot; `None` while every client waits for an answer.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let mut occupied = self.lock();
        if occupied.clients.len() >= self.most {
            let idle = occupied.clients.iter().find(|(_, client)| !client.busy.load(Ordering::Relaxed));
            let number = *idle?.0;
            if let Some(client) = occupied.clients.remove(&number) {
                client.cleared.cancel();
            }
        }
        let (number, client) = (occupied.next, Arc::<Client>::default());
        occupied.next += 1;
        occupied.clients.insert(number, client.clone());
        Some(Slot { number, client, slots: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Occupied> {
        self.occupied.lock()
    }
}

impl Slot {
    pub(super) fn busy(&self) -> Busy {
        self.client.busy.store(true, Ordering::Relaxed);
        Busy(self.client.clone())
    }

    /// Does this until the slot is needed by another client.
    pub(super) async fn unless_cleared<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.client.cleared.run_until_cancelled(work).await
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use std::sync::Arc;

    #[test]
    fn the_idle_client_that_came_first_gives_way() {
        let slots = Arc::new(Slots::new(2));
        let (first, second) = (slots.take().expect("a slot"), slots.take().expect("a slot"));
        let busy = first.busy();
        let third = slots.take().expect("a slot");
        let gone = |slot: &super::Slot| slot.client.cleared.is_cancelled();
        assert_eq!((gone(&first), gone(&second), gone(&third)), (false, true, false));
        drop(second);
        let also_busy = third.busy();
        assert!(slots.take().is_none(), "everybody waits for an answer");
        drop((busy, also_busy));
        assert!(slots.take().is_some());
        assert!(gone(&first));
        drop((first, third));
        assert!(slots.lock().clients.is_empty());
    }
}
