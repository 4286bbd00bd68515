//! Who acts. Followers watch and plan as the leader does, and drop their plans, so that a hand-over is instant.

use crate::settings::{LEASE, LeaderElection};
use kube::Client;
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Seconds that a lease is valid, and before its end when it is renewed. A clock that is off by less than the second
/// number never makes two leaders.
const DURATION: u64 = 15;
const GRACE: u64 = 5;

/// The lease of this process.
pub struct Leadership {
    pub leading: watch::Receiver<bool>,
    task: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Asks for the lease, or leads at once where there is no election.
pub async fn elect(client: Client, election: Option<&LeaderElection>) -> Result<Leadership, LeaseManagerError> {
    let (stop, mut stopped) = watch::channel(false);
    let Some(LeaderElection { namespace, identity }) = election else {
        let (_, leading) = watch::channel(true);
        return Ok(Leadership { leading, task: None, stop });
    };
    let manager = LeaseManagerBuilder::new(client, LEASE)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(DURATION)
        .with_grace(GRACE)
        .build()
        .await?;
    let (mut state, lease) = manager.watch().await;
    let (sender, leading) = watch::channel(false);
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stopped.changed() => break,
                changed = state.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let leads = *state.borrow_and_update();
                    tracing::info!(leads, lease = LEASE, "leadership changed");
                    let _ = sender.send(leads);
                }
            }
        }
        // Without a receiver the manager gives the lease back, so that the next leader need not wait for its end.
        drop(state);
        let _ = sender.send(false);
        match lease.await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "failed to give the lease back"),
            Err(error) => tracing::warn!(%error, "the lease task ended"),
        }
    });
    Ok(Leadership { leading, task: Some(task), stop })
}

impl Leadership {
    /// Gives the lease back.
    pub async fn resign(self) {
        let _ = self.stop.send(true);
        if let Some(task) = self.task {
            let _ = task.await;
        }
    }
}
