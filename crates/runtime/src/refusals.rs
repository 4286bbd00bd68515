//! Configurations that EMQX has refused. It applies the roots that it likes each time, which can restart listeners, so the
//! same text is not sent again and again.

use crate::index::Key;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What EMQX refuses may also be the fault of something outside of the spec, such as a certificate.
const AGAIN: Duration = Duration::from_mins(10);

#[derive(Default)]
pub struct Refusals(Mutex<HashMap<Key, Refusal>>);

struct Refusal {
    /// Of the configuration.
    revision: String,
    image: String,
    text: String,
    at: Instant,
}

impl Refusals {
    /// Why EMQX of this image refused this configuration, if it did lately.
    pub fn of(&self, key: &Key, revision: &str, image: &str) -> Option<String> {
        let refusals = self.lock();
        let same = |refusal: &&Refusal| refusal.revision == revision && refusal.image == image;
        let refusal = refusals.get(key).filter(same).filter(|refusal| refusal.at.elapsed() < AGAIN)?;
        Some(refusal.text.clone())
    }

    pub fn note(&self, key: &Key, revision: &str, image: &str, text: &str) {
        let [revision, image, text] = [revision, image, text].map(str::to_owned);
        self.lock().insert(key.clone(), Refusal { revision, image, text, at: Instant::now() });
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Refusal>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
