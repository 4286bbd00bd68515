//! Changes that have not been worked on: how many clusters wait, and how long the oldest change does.

use super::{CONTROLLER, KIND, KindLabels, gauge};
use crate::index::Key;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Clusters whose last change is not reconciled yet.
#[derive(Clone, Debug)]
pub struct Queue(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    waiting: HashMap<Key, Waiting>,
    /// When a pass last began or ended.
    moved: Instant,
}

#[derive(Debug)]
struct Waiting {
    /// When the oldest change came that no pass has taken up with success.
    since: Instant,
    /// When the first change came that the pass under way does not know of.
    again: Option<Instant>,
    under_way: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    controller: &'static str,
    name: &'static str,
}

impl Queue {
    pub fn new(registry: &mut Registry) -> Self {
        let queue = Self(Arc::new(Mutex::new(State { waiting: HashMap::new(), moved: Instant::now() })));
        super::own(registry).register_collector(Box::new(queue.clone()));
        registry.register_collector(Box::new(Compatible(queue.clone())));
        queue
    }

    /// Something has changed.
    pub fn changed(&self, key: &Key) {
        let now = Instant::now();
        let mut state = self.lock();
        match state.waiting.get_mut(key) {
            Some(waiting) if waiting.under_way => drop(waiting.again.get_or_insert(now)),
            Some(_) => {}
            None => drop(state.waiting.insert(key.clone(), Waiting { since: now, again: None, under_way: false })),
        }
    }

    /// A pass takes up what has changed.
    pub fn begin(&self, key: &Key) {
        let mut state = self.lock();
        state.moved = Instant::now();
        if let Some(waiting) = state.waiting.get_mut(key) {
            waiting.under_way = true;
        }
    }

    /// The pass has ended; after a failure the change still waits.
    pub fn end(&self, key: &Key, failed: bool) {
        let mut state = self.lock();
        state.moved = Instant::now();
        let Some(waiting) = state.waiting.get_mut(key) else { return };
        waiting.under_way = false;
        match waiting.again.take() {
            Some(again) if !failed => waiting.since = again,
            Some(_) => {}
            None if failed => {}
            None => drop(state.waiting.remove(key)),
        }
    }

    pub fn forget(&self, key: &Key) {
        self.lock().waiting.remove(key);
    }

    /// For how long nothing has moved although changes wait.
    pub fn stuck(&self) -> Option<Duration> {
        let state = self.lock();
        let oldest = state.waiting.values().map(|waiting| waiting.since).min()?;
        Some(oldest.max(state.moved).elapsed())
    }

    fn depth(&self) -> f64 {
        let state = self.lock();
        let waiting = state.waiting.values().filter(|waiting| !waiting.under_way || waiting.again.is_some()).count();
        u32::try_from(waiting).map_or(f64::MAX, f64::from)
    }

    fn oldest(&self) -> f64 {
        let state = self.lock();
        let age = state.waiting.values().map(|waiting| waiting.since.elapsed()).max();
        age.unwrap_or_default().as_secs_f64()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Collector for Queue {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = || KindLabels { kind: KIND };
        gauge(&mut encoder, "queue_depth", "Resources that wait for a pass", [(labels(), self.depth())])?;
        let text = "Age of the oldest change that no pass has taken up with success, in seconds; 0 without one";
        gauge(&mut encoder, "oldest_unreconciled_change_seconds", text, [(labels(), self.oldest())])
    }
}

#[derive(Debug)]
struct Compatible(Queue);

impl Collector for Compatible {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = QueueLabels { controller: CONTROLLER, name: CONTROLLER };
        gauge(&mut encoder, "workqueue_depth", "Resources that wait for a pass", [(labels, self.0.depth())])
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use crate::index::Key;
    use prometheus_client::registry::Registry;

    fn queue() -> (Queue, Key) {
        let key = Key { namespace: "ns".into(), name: "iot".into() };
        (Queue::new(&mut Registry::default()), key)
    }

    #[test]
    fn a_change_waits_until_a_pass_succeeds() {
        let (queue, key) = queue();
        queue.changed(&key);
        assert_eq!(queue.depth(), 1.0);
        queue.begin(&key);
        assert_eq!(queue.depth(), 0.0);
        queue.end(&key, true);
        assert!(queue.oldest() > 0.0);
        queue.begin(&key);
        queue.end(&key, false);
        assert_eq!((queue.depth(), queue.oldest()), (0.0, 0.0));
        assert!(queue.stuck().is_none());
    }

    #[test]
    fn a_change_during_a_pass_waits_for_the_next() {
        let (queue, key) = queue();
        queue.changed(&key);
        queue.begin(&key);
        queue.changed(&key);
        assert_eq!(queue.depth(), 1.0);
        queue.end(&key, false);
        assert!(queue.stuck().is_some());
        queue.begin(&key);
        queue.end(&key, false);
        assert!(queue.stuck().is_none());
    }

    #[test]
    fn a_deleted_resource_waits_for_nothing() {
        let (queue, key) = queue();
        queue.changed(&key);
        queue.forget(&key);
        assert_eq!(queue.depth(), 0.0);
    }
}
