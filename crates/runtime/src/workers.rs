//! How many reconciles work at the same time: in all, and of one namespace.
//!
//! One that waits for EMQX works on nothing and counts for nothing, so brokers that hang delay nobody but themselves.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places that reconciles share.
pub struct Workers {
    all: Arc<Semaphore>,
    of_namespace: usize,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A place, held by one reconcile.
pub struct Worker<'w> {
    workers: &'w Workers,
    /// Kept alive, so that all reconciles of the namespace share it.
    namespace: Arc<Semaphore>,
    places: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Workers {
    /// `share` says whether namespaces have to leave places to each other: each gets half of them.
    pub fn new(all: u16, share: bool) -> Workers {
        let all = usize::from(all.max(1));
        let of_namespace = if share { all.div_ceil(2) } else { all };
        Workers { all: Arc::new(Semaphore::new(all)), of_namespace, namespaces: Mutex::default() }
    }

    /// Waits for a place.
    pub async fn enter(&self, namespace: &str) -> Worker<'_> {
        let mut worker = Worker { workers: self, namespace: self.namespace(namespace), places: None };
        worker.take().await;
        worker
    }

    fn namespace(&self, namespace: &str) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock();
        if let Some(known) = namespaces.get(namespace).and_then(Weak::upgrade) {
            return known;
        }
        namespaces.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.of_namespace));
        namespaces.insert(namespace.to_owned(), Arc::downgrade(&new));
        new
    }
}

impl Worker<'_> {
    async fn take(&mut self) {
        // Who waits for its namespace keeps no place from others.
        let namespace = acquire(&self.namespace).await;
        self.places = Some((acquire(&self.workers.all).await, namespace));
    }

    /// Gives the place to others while something is waited for that is not work.
    pub async fn outside<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.places = None;
        let result = wait.await;
        self.take().await;
        result
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.clone().acquire_owned().await.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use super::Workers;
    use futures::FutureExt as _;
    use std::future::pending;

    #[tokio::test]
    async fn brokers_that_hang_hold_no_place() {
        let workers = Workers::new(2, false);
        let hang = async || workers.enter("ns").await.outside(pending::<()>()).await;
        let mut hanging: Vec<_> = (0..16).map(|_| Box::pin(hang())).collect();
        hanging.iter_mut().for_each(|one| assert!(one.now_or_never().is_none()));
        assert!(workers.enter("ns").now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_namespace_leaves_places_to_others() {
        let workers = Workers::new(4, true);
        let held = [workers.enter("greedy").await, workers.enter("greedy").await];
        assert!(workers.enter("greedy").now_or_never().is_none());
        assert!(workers.enter("other").now_or_never().is_some());
        drop(held);
        assert!(workers.enter("greedy").now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_place_is_taken_again_after_waiting() {
        let workers = Workers::new(1, false);
        let mut worker = workers.enter("ns").await;
        worker.outside(async { assert!(workers.enter("ns").now_or_never().is_some()) }).await;
        assert!(workers.enter("ns").now_or_never().is_none());
    }
}
