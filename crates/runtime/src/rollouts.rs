//! The rollouts that are under way, from one pass to the next. A restarted operator begins to count anew: it was not there
//! to see whether they got on.

use crate::index::Key;
use emqx_operator_core::world::Rollout;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

#[derive(Default)]
pub struct Rollouts(Mutex<HashMap<Key, Rollout>>);

impl Rollouts {
    pub fn get(&self, key: &Key) -> Option<Rollout> {
        self.lock().get(key).cloned()
    }

    pub fn set(&self, key: &Key, rollout: Option<Rollout>) {
        match rollout {
            Some(rollout) => drop(self.lock().insert(key.clone(), rollout)),
            None => self.forget(key),
        }
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Rollout>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
