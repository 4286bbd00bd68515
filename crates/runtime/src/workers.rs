//! How many reconciles work at the same time: in all, and of one namespace.
//!
//! A reconcile that waits for EMQX does not count, so brokers that hang delay only their own cluster.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The workers that reconciles share.
pub struct Workers {
    all: Arc<Semaphore>,
    of_namespace: usize,
    namespaces: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// A worker, occupied by one reconcile.
pub struct Worker<'w> {
    workers: &'w Workers,
    /// Kept alive, so that all reconciles of the namespace share it.
    namespace: Arc<Semaphore>,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Workers {
    /// With `share` a namespace gets at most half of the workers.
    pub fn new(all: u16, share: bool) -> Workers {
        let all = usize::from(all.max(1));
        let of_namespace = if share { all.div_ceil(2) } else { all };
        Workers { all: Arc::new(Semaphore::new(all)), of_namespace, namespaces: Mutex::default() }
    }

    /// Waits for a free worker.
    pub async fn enter(&self, namespace: &str) -> Worker<'_> {
        let mut worker = Worker { workers: self, namespace: self.namespace(namespace), permits: None };
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
        // While it waits for its namespace it occupies no worker of others.
        let namespace = acquire(&self.namespace).await;
        self.permits = Some((acquire(&self.workers.all).await, namespace));
    }

    /// Releases the worker while `wait` runs.
    pub async fn released_while<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.permits = None;
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
        let hang = async || workers.enter("ns").await.released_while(pending::<()>()).await;
        let mut hanging: Vec<_> = (0..16).map(|_| Box::pin(hang())).collect();
        hanging.iter_mut().for_each(|one| assert!(one.now_or_never().is_none()));
        assert!(workers.enter("ns").now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_namespace_leaves_permits_to_others() {
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
        worker.released_while(async { assert!(workers.enter("ns").now_or_never().is_some()) }).await;
        assert!(workers.enter("ns").now_or_never().is_none());
    }
}
