//! Tells that something has changed for a cluster. How long it then waits is a metric.

use crate::index::Key;
use crate::report::Queue;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Wakes clusters. Cheap to clone.
#[derive(Clone)]
pub struct Waker {
    keys: UnboundedSender<Key>,
    queue: Queue,
}

impl Waker {
    pub fn new(queue: Queue) -> (Waker, UnboundedReceiver<Key>) {
        let (keys, woken) = mpsc::unbounded_channel();
        (Waker { keys, queue }, woken)
    }

    /// A pass over this cluster is due.
    pub fn wake(&self, key: Key) {
        self.queue.changed(&key);
        // Nobody listens when the operator stops.
        let _ = self.keys.send(key);
    }
}
