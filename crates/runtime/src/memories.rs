//! What one pass leaves to the next, by resource. A restarted operator begins to count anew: it was not there to see.

use crate::index::Key;
use emqx_operator_core::world::Memory;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

#[derive(Default)]
pub struct Memories(Mutex<HashMap<Key, Memory>>);

impl Memories {
    pub fn get(&self, key: &Key) -> Memory {
        self.lock().get(key).cloned().unwrap_or_default()
    }

    pub fn set(&self, key: &Key, memory: Memory) {
        self.lock().insert(key.clone(), memory);
    }

    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Memory>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
