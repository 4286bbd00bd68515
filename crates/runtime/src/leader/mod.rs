//! Leader election. Followers watch and plan as the leader does, and drop their plans, so that a handover is instant.
//!
//! The leader stops acting some seconds before followers may take the lease, whether or not it can still reach the API server;
//! see [`ACTS_FOR`].

mod lease;

use crate::settings::{LEASE, LeaderElection};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use lease::{ObservedLease, Step};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Followers may take the lease when they have not seen it renewed for this long.
const VALID: Duration = Duration::from_secs(15);
/// How long a leader acts after the beginning of its last renewal. The difference to [`VALID`] is for requests that are under way.
const ACTS_FOR: Duration = Duration::from_secs(10);
/// How often a leader renews, and a follower looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// One look at the lease.
const ATTEMPT: Duration = Duration::from_secs(4);

/// Whether this process leads. Cheap to clone.
#[derive(Clone)]
pub struct Leading {
    changes: watch::Receiver<bool>,
    until: watch::Receiver<Option<Instant>>,
    always: bool,
}

impl Leading {
    /// Whether this process leads right now. Checked again before every write.
    pub fn now(&self) -> bool {
        self.always || is_before(*self.until.borrow())
    }

    /// Returns when this process does not lead any more, at once if it does not lead now. Work that is raced against this, and
    /// polled after it, begins no attempt after the end of leadership, also when the process was suspended meanwhile.
    pub async fn ended(&self) {
        let mut until = self.until.clone();
        loop {
            let end = *until.borrow_and_update();
            let Some(end) = end.filter(|end| self.always || Instant::now() < *end) else {
                if self.always {
                    std::future::pending::<()>().await;
                }
                return;
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => {}
                changed = until.changed() => {
                    // The elector has stopped.
                    if changed.is_err() {
                        tokio::time::sleep_until(end).await;
                    }
                }
            }
        }
    }

    /// Returns each time leadership begins or ends; pends for ever without an election.
    pub async fn changed(&mut self) -> bool {
        if self.changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.changes.borrow_and_update()
    }
}

/// The membership of this process in the election.
pub struct Leadership {
    pub leading: Leading,
    task: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Begins to ask for the lease, or leads at once without an election.
pub fn elect(client: Client, election: Option<&LeaderElection>) -> Leadership {
    let (stop, stopped) = watch::channel(false);
    let (changes, changed) = watch::channel(false);
    let (until, ends) = watch::channel(None);
    let leading = Leading { changes: changed, until: ends, always: election.is_none() };
    let task = election.map(|LeaderElection { namespace, identity }| {
        let leases = Api::namespaced(client, namespace);
        let elector = Elector { leases, identity: identity.clone(), seen: ObservedLease::default(), until, changes };
        tokio::spawn(elector.run(stopped))
    });
    Leadership { leading, task, stop }
}

impl Leadership {
    /// Releases the lease, if this process holds it.
    pub async fn resign(self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}

/// Asks for the lease, and renews it.
struct Elector {
    leases: Api<Lease>,
    identity: String,
    seen: ObservedLease,
    until: watch::Sender<Option<Instant>>,
    changes: watch::Sender<bool>,
}

impl Elector {
    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let started = Instant::now();
            match tokio::time::timeout(ATTEMPT, self.attempt()).await {
                Ok(Ok(true)) => self.leads_until(Some(started + ACTS_FOR)),
                Ok(Ok(false)) => self.leads_until(None),
                Ok(Err(error)) => tracing::warn!(%error, lease = LEASE, "failed to ask for the lease; trying again"),
                Err(_) => tracing::warn!(lease = LEASE, "the API server does not answer about the lease; trying again"),
            }
            self.publish();
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                _ = stopped.changed() => {}
            }
        }
        self.leads_until(None);
        self.publish();
        match tokio::time::timeout(ATTEMPT, self.release()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, lease = LEASE, "failed to give the lease back"),
            Err(_) => tracing::warn!(lease = LEASE, "the API server does not answer; others wait for the lease to end"),
        }
    }

    /// Whether this process holds the lease afterwards.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else {
            let metadata = ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata, spec: Some(self.held(None)) };
            return ours(self.leases.create(&PostParams::default(), &lease).await);
        };
        match self.seen.next(&lease, &self.identity, std::time::Instant::now()) {
            Step::Wait => Ok(false),
            Step::Renew | Step::Take => {
                lease.spec = Some(self.held(lease.spec.as_ref()));
                // Its resource version makes the request fail if another process was faster.
                ours(self.leases.replace(LEASE, &PostParams::default(), &lease).await)
            }
        }
    }

    fn held(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        lease::held(before, &self.identity, VALID, Timestamp::now())
    }

    async fn release(&self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.leases.get_opt(LEASE).await? else { return Ok(()) };
        let spec = lease.spec.clone().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.identity) {
            return Ok(());
        }
        lease.spec = Some(lease::released(&spec, Timestamp::now()));
        tracing::info!(lease = lease.name_any(), "giving the lease back");
        self.leases.replace(LEASE, &PostParams::default(), &lease).await.map(drop)
    }

    fn leads_until(&self, until: Option<Instant>) {
        self.until.send_replace(until);
    }

    /// Publishes the beginning or the end of leadership, also an end without an answer of the API server.
    fn publish(&self) {
        let leads = is_before(*self.until.borrow());
        let changed = self.changes.send_if_modified(|led| std::mem::replace(led, leads) != leads);
        if changed {
            tracing::info!(leads, lease = LEASE, "leadership changed");
        }
    }
}

fn is_before(end: Option<Instant>) -> bool {
    end.is_some_and(|end| Instant::now() < end)
}

/// A conflict means that another process was faster, which is no error.
fn ours(written: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(refusal)) if refusal.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Leading, watch};
    use std::time::Duration;
    use tokio::time::Instant;

    fn leading(end: Option<Instant>) -> (Leading, watch::Sender<Option<Instant>>) {
        let (until, ends) = watch::channel(end);
        (Leading { changes: watch::channel(false).1, until: ends, always: false }, until)
    }

    /// The first attempt hangs, and would be followed by another one.
    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_after_the_end() {
        let start = Instant::now();
        let (leading, _until) = leading(Some(start + Duration::from_secs(10)));
        let mut attempts = Vec::new();
        let work = async {
            loop {
                attempts.push(start.elapsed().as_secs());
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        tokio::select! {
            biased;
            () = leading.ended() => {}
            () = work => {}
        }
        assert_eq!(attempts, [0, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_is_put_off_by_each_renewal_and_comes_at_once_with_the_loss() {
        let start = Instant::now();
        let (leading, until) = leading(Some(start + Duration::from_secs(10)));
        let renewals = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            until.send_replace(Some(start + Duration::from_secs(100)));
            tokio::time::sleep(Duration::from_secs(20)).await;
            until.send_replace(None);
        };
        tokio::join!(leading.ended(), renewals);
        assert_eq!(start.elapsed().as_secs(), 29);
        assert!(!leading.now());
        leading.ended().await;
    }
}
