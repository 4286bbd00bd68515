//! What the operator keeps of each EMQX resource between two reconciles, by its uid.
//!
//! A reconcile that runs while its resource is deleted continues with its own handle, and the state that it writes is dropped
//! with the handle: no state of a deleted resource is kept, and a new resource of the same name inherits nothing.

use crate::admission_drift::AdmissionDrift;
use crate::failures::Failures;
use crate::index::Key;
use crate::observe::{ReferenceKey, SetEvents};
use crate::refusals::Refusals;
use crate::report::{ClusterMetrics, Written};
use emqx_operator_core::world::Memory;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The state of one resource. It starts empty in a restarted operator, which did not see what happened before.
#[derive(Default)]
pub struct Cluster {
    pub key: Key,
    pub uid: String,
    /// What one reconcile leaves to the next.
    pub memory: Mutex<Memory>,
    pub failures: Failures,
    pub written: Written,
    pub refusals: Refusals,
    pub admission_drift: AdmissionDrift,
    pub set_events: SetEvents,
    /// The objects that its spec names.
    pub named: Mutex<HashSet<ReferenceKey>>,
    pub metrics: Mutex<ClusterMetrics>,
}

/// All existing resources that the watch has reported. Cheap to clone.
#[derive(Clone, Default)]
pub struct Clusters(Arc<Mutex<BTreeMap<Key, Arc<Cluster>>>>);

impl Clusters {
    /// Adds a resource that the watch reports.
    pub fn register(&self, key: &Key, uid: &str) {
        let mut clusters = self.0.lock();
        if clusters.get(key).is_none_or(|known| known.uid != uid) {
            let new = Cluster { key: key.clone(), uid: uid.to_owned(), ..Cluster::default() };
            clusters.insert(key.clone(), Arc::new(new));
        }
    }

    /// The resource, unless it is deleted, or another resource has its name by now.
    pub fn get(&self, key: &Key, uid: &str) -> Option<Arc<Cluster>> {
        self.0.lock().get(key).filter(|known| known.uid == uid).cloned()
    }

    /// Removes a deleted resource.
    pub fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }

    pub fn all(&self) -> Vec<Arc<Cluster>> {
        self.0.lock().values().cloned().collect()
    }

    pub fn in_namespace(&self, namespace: &str) -> Vec<Key> {
        let clusters = self.0.lock();
        clusters
            .range(Key::unowned(namespace)..)
            .map(|(key, _)| key)
            .take_while(|key| key.namespace == namespace)
            .cloned()
            .collect()
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clusters({})", self.0.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::Clusters;
    use crate::index::Key;

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }

    /// The reconcile of a deleted resource ends late, and a new resource has its name.
    #[test]
    fn nothing_of_a_deleted_resource_comes_back() {
        let (clusters, iot) = (Clusters::default(), key("ns", "iot"));
        clusters.register(&iot, "old");
        let under_way = clusters.get(&iot, "old").expect("it is known");
        clusters.forget(&iot);
        under_way.refusals.note("config", "unknown field");
        assert!(clusters.all().is_empty());
        assert!(clusters.get(&iot, "old").is_none(), "a late reconcile does not bring it back");
        clusters.register(&iot, "new");
        assert_eq!(clusters.get(&iot, "new").expect("it is known").refusals.of("config"), None);
        assert!(clusters.get(&iot, "old").is_none());
    }

    #[test]
    fn a_resource_that_is_told_of_again_keeps_what_is_known() {
        let (clusters, iot) = (Clusters::default(), key("ns", "iot"));
        clusters.register(&iot, "a");
        clusters.get(&iot, "a").expect("it is known").refusals.note("config", "unknown field");
        clusters.register(&iot, "a");
        assert!(clusters.get(&iot, "a").expect("it is known").refusals.of("config").is_some());
    }

    #[test]
    fn namespaces_are_told_apart() {
        let clusters = Clusters::default();
        for (namespace, name) in [("a", "x"), ("ab", "x"), ("a", "y"), ("b", "x")] {
            clusters.register(&key(namespace, name), "u");
        }
        assert_eq!(clusters.in_namespace("a"), [key("a", "x"), key("a", "y")]);
    }
}
