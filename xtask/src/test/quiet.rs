//! Quiet for a suite that notices who else works, also who only takes what it leaves.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct Quiet {
    /// Who wants quiet stands here, so that nobody else goes in.
    door: Mutex<()>,
    room: Mutex<()>,
}

impl Quiet {
    /// Waits until whoever works has ended its step; nobody begins one until both are dropped.
    pub(super) fn wanted(&self) -> (MutexGuard<'_, ()>, MutexGuard<'_, ()>) {
        (lock(&self.door), lock(&self.room))
    }

    /// Waits while somebody wants quiet.
    pub(super) fn disturbed(&self) -> MutexGuard<'_, ()> {
        drop(lock(&self.door));
        lock(&self.room)
    }
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
