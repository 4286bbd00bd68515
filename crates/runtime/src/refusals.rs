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
    /// Of the configuration, and the image that refused it.
    of: (String, String),
    text: String,
    at: Instant,
}

impl Refusals {
    /// Why EMQX of this image refused this configuration, if it did lately.
    pub fn of(&self, key: &Key, revision: &str, image: &str) -> Option<String> {
        let refusals = self.lock();
        let refusal = refusals.get(key).filter(|refusal| refusal.at.elapsed() < AGAIN)?;
        (refusal.of.0 == revision && refusal.of.1 == image).then(|| refusal.text.clone())
    }

    pub fn note(&self, key: &Key, revision: &str, image: &str, text: &str) {
        let of = (revision.to_owned(), image.to_owned());
        self.lock().insert(key.clone(), Refusal { of, text: text.to_owned(), at: Instant::now() });
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Refusal>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
