//! Who is connected. There are so many seats; when all are taken, a client that asks for nothing gives way to the next one.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// The seats of one port.
pub(super) struct Seats {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// By order of arrival.
    clients: BTreeMap<u64, Arc<Client>>,
}

#[derive(Default)]
struct Client {
    /// Its request is being answered.
    busy: AtomicBool,
    cleared: CancellationToken,
}

/// The seat of one connection; free again when it is dropped.
pub(super) struct Seat {
    number: u64,
    client: Arc<Client>,
    seats: Arc<Seats>,
}

/// As long as this is there the client keeps its seat.
pub(super) struct Busy(Arc<Client>);

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// A seat; `None` while every client waits for an answer.
    pub(super) fn take(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.lock();
        if taken.clients.len() >= self.most {
            let idle = taken.clients.iter().find(|(_, client)| !client.busy.load(Ordering::Relaxed));
            let number = *idle?.0;
            if let Some(client) = taken.clients.remove(&number) {
                client.cleared.cancel();
            }
        }
        let (number, client) = (taken.next, Arc::<Client>::default());
        taken.next += 1;
        taken.clients.insert(number, client.clone());
        Some(Seat { number, client, seats: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock()
    }
}

impl Seat {
    pub(super) fn busy(&self) -> Busy {
        self.client.busy.store(true, Ordering::Relaxed);
        Busy(self.client.clone())
    }

    /// Does this until the seat is needed by another client.
    pub(super) async fn unless_cleared<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.client.cleared.run_until_cancelled(work).await
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::Seats;
    use std::sync::Arc;

    #[test]
    fn the_idle_client_that_came_first_gives_way() {
        let seats = Arc::new(Seats::new(2));
        let (first, second) = (seats.take().expect("a seat"), seats.take().expect("a seat"));
        let busy = first.busy();
        let third = seats.take().expect("a seat");
        let gone = |seat: &super::Seat| seat.client.cleared.is_cancelled();
        assert_eq!((gone(&first), gone(&second), gone(&third)), (false, true, false));
        drop(second);
        let also_busy = third.busy();
        assert!(seats.take().is_none(), "everybody waits for an answer");
        drop((busy, also_busy));
        assert!(seats.take().is_some());
        assert!(gone(&first));
        drop((first, third));
        assert!(seats.lock().clients.is_empty());
    }
}
