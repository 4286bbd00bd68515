//! Triggers reconciles of clusters. The time that a change waits is a metric.

use crate::index::Key;
use crate::report::Queue;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// Triggers reconciles of clusters. Cheap to clone.
#[derive(Clone)]
pub struct ReconcileTrigger {
    keys: UnboundedSender<Key>,
    queue: Queue,
}

impl ReconcileTrigger {
    pub fn new(queue: Queue) -> (ReconcileTrigger, UnboundedReceiver<Key>) {
        let (keys, requests) = mpsc::unbounded_channel();
        (ReconcileTrigger { keys, queue }, requests)
    }

    /// A change makes a reconcile of this cluster due.
    pub fn send(&self, key: Key) {
        self.queue.changed(&key);
        // The queue is closed when the operator stops.
        let _ = self.keys.send(key);
    }
}
