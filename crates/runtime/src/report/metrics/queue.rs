//! Changes that wait for a reconcile: how many clusters wait, and the age of the oldest change.

use super::{CONTROLLER, KIND, KindLabels, gauge};
use crate::index::Key;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Clusters whose last change is not reconciled yet.
#[derive(Clone, Debug, Default)]
pub struct Queue(Arc<Mutex<HashMap<Key, Waiting>>>);

#[derive(Debug)]
struct Waiting {
    /// When the oldest change came that no reconcile has completed.
    since: Instant,
    /// When the first change came that the running reconcile has not seen.
    again: Option<Instant>,
    under_way: bool,
    /// When its last reconcile began or ended.
    moved: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    controller: &'static str,
    name: &'static str,
}

impl Queue {
    pub fn new(registry: &mut Registry) -> Self {
        let queue = Self::default();
        super::own(registry).register_collector(Box::new(queue.clone()));
        registry.register_collector(Box::new(Compatible(queue.clone())));
        queue
    }

    /// The cluster has changed.
    pub fn changed(&self, key: &Key) {
        let now = Instant::now();
        let mut all = self.0.lock();
        match all.get_mut(key) {
            Some(waiting) if waiting.under_way => drop(waiting.again.get_or_insert(now)),
            Some(_) => {}
            None => {
                let waiting = Waiting { since: now, again: None, under_way: false, moved: now };
                all.insert(key.clone(), waiting);
            }
        }
    }

    /// A reconcile of the changes begins.
    pub fn begin(&self, key: &Key) {
        if let Some(waiting) = self.0.lock().get_mut(key) {
            (waiting.under_way, waiting.moved) = (true, Instant::now());
        }
    }

    /// The reconcile has ended; after a failure the change still waits.
    pub fn end(&self, key: &Key, failed: bool) {
        let mut all = self.0.lock();
        let Some(waiting) = all.get_mut(key) else { return };
        (waiting.under_way, waiting.moved) = (false, Instant::now());
        match waiting.again.take() {
            Some(again) if !failed => waiting.since = again,
            Some(_) => {}
            None if failed => {}
            None => drop(all.remove(key)),
        }
    }

    /// The resource does not exist, even if watches still report its objects.
    pub fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    /// The longest time that a change has waited without a reconcile that began or ended.
    pub fn stuck(&self) -> Option<Duration> {
        let all = self.0.lock();
        all.values().map(|waiting| waiting.since.max(waiting.moved).elapsed()).max()
    }

    fn depth(&self) -> f64 {
        let all = self.0.lock();
        let waiting = all.values().filter(|waiting| !waiting.under_way || waiting.again.is_some()).count();
        u32::try_from(waiting).map_or(f64::MAX, f64::from)
    }

    fn oldest(&self) -> f64 {
        let age = self.0.lock().values().map(|waiting| waiting.since.elapsed()).max();
        age.unwrap_or_default().as_secs_f64()
    }
}

impl Collector for Queue {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = || KindLabels { kind: KIND };
        gauge(&mut encoder, "queue_depth", "Resources that wait for a reconcile", [(labels(), self.depth())])?;
        let text = "Age of the oldest change without a successful reconcile, in seconds; 0 without such a change";
        gauge(&mut encoder, "oldest_unreconciled_change_seconds", text, [(labels(), self.oldest())])
    }
}

#[derive(Debug)]
struct Compatible(Queue);

impl Collector for Compatible {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = QueueLabels { controller: CONTROLLER, name: CONTROLLER };
        gauge(&mut encoder, "workqueue_depth", "Resources that wait for a reconcile", [(labels, self.0.depth())])
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

    /// One cluster hangs while another one moves all the time.
    #[tokio::test(start_paused = true)]
    async fn each_cluster_is_looked_at_by_itself() {
        let (queue, hanging) = queue();
        let busy = Key { namespace: "ns".into(), name: "busy".into() };
        queue.changed(&hanging);
        for _ in 0..60 {
            queue.changed(&busy);
            queue.begin(&busy);
            tokio::time::advance(std::time::Duration::from_secs(10)).await;
            queue.end(&busy, false);
        }
        assert_eq!(queue.stuck(), Some(std::time::Duration::from_secs(600)));
        assert_eq!((queue.depth(), queue.oldest()), (1.0, 600.0));
    }

    /// Failing is not hanging: each attempt moves it, however late it comes.
    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_fails_for_long_is_not_stuck() {
        let (queue, key) = queue();
        queue.changed(&key);
        for _ in 0..30 {
            tokio::time::advance(std::time::Duration::from_secs(120)).await;
            queue.begin(&key);
            queue.end(&key, true);
        }
        assert_eq!((queue.stuck(), queue.oldest()), (Some(std::time::Duration::ZERO), 3600.0));
    }

    #[test]
    fn a_deleted_resource_waits_for_nothing() {
        let (queue, key) = queue();
        queue.changed(&key);
        queue.forget(&key);
        assert_eq!(queue.depth(), 0.0);
    }
}
