//! Objects that came back otherwise than they were applied: an admission webhook, or a policy, sets a field of ours. It would do
//! so again, so it is accepted, and said once. A restarted operator applies such an object once more.

use crate::index::Key;
use emqx_operator_core::build::{Differences, Manifest, differences};
use emqx_operator_core::world::ObjectId;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

#[derive(Default)]
pub struct Rewritten(Mutex<HashMap<Key, BTreeMap<ObjectId, Differences>>>);

impl Rewritten {
    /// Of the objects that exist; the others are forgotten.
    pub fn of(&self, key: &Key, exists: impl Fn(&ObjectId) -> bool) -> BTreeMap<ObjectId, Differences> {
        let mut all = self.lock();
        let Some(of_cluster) = all.get_mut(key) else { return BTreeMap::new() };
        of_cluster.retain(|id, _| exists(id));
        let found = of_cluster.clone();
        if found.is_empty() {
            all.remove(key);
        }
        found
    }

    /// What Kubernetes answered when this was applied.
    pub fn note(&self, key: &Key, manifest: &Manifest, answer: &impl Serialize) {
        let answer = serde_json::to_value(answer).expect("Kubernetes types are plain data");
        let found = differences(manifest, &answer);
        let mut all = self.lock();
        if found.is_empty() {
            all.get_mut(key).and_then(|of_cluster| of_cluster.remove(&manifest.id));
            return;
        }
        let of_cluster = all.entry(key.clone()).or_default();
        if of_cluster.get(&manifest.id) != Some(&found) {
            let fields: Vec<_> = found.keys().map(String::as_str).collect();
            tracing::warn!(
                cluster = %key, object = %manifest.id, fields = fields.join(", "),
                "something in Kubernetes, such as an admission webhook, sets fields otherwise than the operator; it is accepted"
            );
        }
        of_cluster.insert(manifest.id.clone(), found);
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BTreeMap<ObjectId, Differences>>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
