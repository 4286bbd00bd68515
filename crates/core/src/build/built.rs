//! A cache of the objects built from one [`Desired`](crate::desired::Desired), with the same lifetime.
//!
//! The operator resolves the spec in every reconcile, so no objects are kept between reconciles. A caller that plans for the same spec
//! over and over, as simulations do, would otherwise spend most time building the same objects again.

use super::pod_template::Template;
use super::{CoreSet, Manifest, ReplicantSet, Wanted};
use crate::desired::Role;
use crate::world::Kind;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Values by all that they depend on beside the spec.
pub(super) struct Memo<K, V>(Mutex<Vec<(K, V)>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq, V: Clone> Memo<K, V> {
    pub(super) fn get(&self, key: K, build: impl FnOnce() -> V) -> V {
        let lock = || self.0.lock().expect("nothing is built under this lock");
        let known = lock().iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        known.unwrap_or_else(|| {
            let value = build();
            lock().push((key, value.clone()));
            value
        })
    }
}

#[derive(Default)]
pub(crate) struct Built {
    /// By kind, name and content that is not the spec's.
    pub(super) manifests: Memo<(Kind, String, String), Manifest>,
    /// By name, role and revision of the pods.
    pub(super) wanted: Memo<(String, Role, Option<String>), Wanted>,
    /// By whether the broker has the availability check.
    pub(super) core_templates: Memo<bool, Arc<Template>>,
    pub(super) replicant_sets: Memo<bool, ReplicantSet>,
    /// By the revision of the template and the name of the set.
    pub(super) core_sets: Memo<(String, String), CoreSet>,
}

/// A copy may be changed before it is used, so its cache is empty.
impl Clone for Built {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Built")
    }
}
