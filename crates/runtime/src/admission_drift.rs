//! Objects whose fields an admission webhook, or a policy, changed when they were applied. The webhook would do so again, so the
//! change is accepted and logged once. A restarted operator applies such an object once more.

use crate::index::Key;
use emqx_operator_core::build::{Differences, Manifest, differences};
use emqx_operator_core::world::ObjectId;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct AdmissionDrift(Mutex<BTreeMap<ObjectId, Differences>>);

impl AdmissionDrift {
    /// The drift of the objects that exist; other objects are forgotten.
    pub fn of(&self, exists: impl Fn(&ObjectId) -> bool) -> BTreeMap<ObjectId, Differences> {
        let mut all = self.0.lock();
        all.retain(|id, _| exists(id));
        all.clone()
    }

    /// Compares the applied manifest with Kubernetes' answer.
    pub fn note(&self, cluster: &Key, manifest: &Manifest, answer: &impl Serialize) {
        let Ok(answer) = serde_json::to_value(answer) else { return };
        let found = differences(manifest, &answer);
        let mut all = self.0.lock();
        if found.is_empty() {
            all.remove(&manifest.id);
            return;
        }
        if all.get(&manifest.id) != Some(&found) {
            let fields: Vec<_> = found.keys().map(String::as_str).collect();
            tracing::warn!(
                %cluster, object = %manifest.id, fields = fields.join(", "),
                "something in Kubernetes, such as an admission webhook, changes fields of the operator; the change is accepted"
            );
        }
        all.insert(manifest.id.clone(), found);
    }
}
