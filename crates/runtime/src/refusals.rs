//! What EMQX has refused. A configuration that it refuses is not sent again and again: EMQX applies the roots that it
//! likes each time, which can restart listeners. Of other requests users hear when they are refused repeatedly: the first
//! time the world may have moved on.

use crate::index::Key;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What EMQX refuses may also be the fault of something outside of the spec, such as a certificate.
const AGAIN: Duration = Duration::from_mins(10);

/// By cluster and request.
#[derive(Default)]
pub struct Refusals(Mutex<HashMap<Key, BTreeMap<String, Refusal>>>);

struct Refusal {
    text: String,
    at: Instant,
    /// Of those in a row, the first.
    since: Instant,
    /// In a row.
    times: u32,
}

/// The request to put this configuration in force on nodes with this image.
pub fn config(revision: &str, image: &str) -> String {
    format!("config {revision} of {image}")
}

impl Refusals {
    /// Why EMQX refused this, if it did lately.
    pub fn of(&self, key: &Key, request: &str) -> Option<String> {
        let refusals = self.lock();
        let refusal = refusals.get(key)?.get(request).filter(|refusal| refusal.at.elapsed() < AGAIN)?;
        Some(refusal.text.clone())
    }

    /// How often in a row by now.
    pub fn note(&self, key: &Key, request: &str, text: &str) -> u32 {
        let mut refusals = self.lock();
        let of_cluster = refusals.entry(key.clone()).or_default();
        of_cluster.retain(|_, refusal| refusal.at.elapsed() < AGAIN);
        let (before, at) = (of_cluster.get(request), Instant::now());
        let times = before.map_or(1, |refusal| refusal.times + 1);
        let since = before.map_or(at, |refusal| refusal.since);
        of_cluster.insert(request.to_owned(), Refusal { text: text.to_owned(), at, since, times });
        times
    }

    /// For how long it has been so, each time that it was tried.
    pub fn lasting(&self, key: &Key, request: &str) -> Duration {
        let refusals = self.lock();
        let refusal = refusals.get(key).and_then(|of_cluster| of_cluster.get(request));
        refusal.map_or(Duration::ZERO, |refusal| refusal.at.duration_since(refusal.since))
    }

    /// EMQX has done it.
    pub fn settle(&self, key: &Key, request: &str) {
        let mut refusals = self.lock();
        let Some(of_cluster) = refusals.get_mut(key) else { return };
        of_cluster.remove(request);
        if of_cluster.is_empty() {
            refusals.remove(key);
        }
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, BTreeMap<String, Refusal>>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusals, config};
    use crate::index::Key;

    #[test]
    fn what_is_refused_is_remembered_by_request_until_it_is_done() {
        let (refusals, key) = (Refusals::default(), Key { namespace: "iot".to_owned(), name: "broker".to_owned() });
        let (old, new) = (config("a", "emqx/emqx:5.10.4"), config("a", "emqx/emqx:6.0.0"));
        assert_eq!(refusals.note(&key, &old, "unknown field"), 1);
        assert_eq!(refusals.note(&key, &old, "unknown field"), 2);
        assert_eq!(refusals.of(&key, &old).as_deref(), Some("unknown field"));
        assert_eq!(refusals.of(&key, &new), None, "another image may know it");
        refusals.settle(&key, &old);
        assert_eq!(refusals.of(&key, &old), None);
        assert_eq!(refusals.note(&key, &old, "unknown field"), 1, "in a row");
    }
}
