//! A replicant lives on a core of its own release. Without one it still says that it runs, and other nodes list it, but
//! its API hangs.

use super::Node;
use crate::cluster_state::Role;
use crate::rpc::Phase;
use std::time::Duration;
use tokio::time::{Instant, sleep};

impl Node {
    /// Whether this node has a core to work with, now or within so long. Cores always have.
    pub(crate) async fn attached_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while !self.is_attached().await {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(self.timings.tick.min(deadline - Instant::now())).await;
        }
        true
    }

    async fn is_attached(&self) -> bool {
        if self.role == Role::Core {
            return true;
        }
        let cores = self.other_members().into_iter().filter(|(_, role)| *role == Role::Core);
        for (core, _) in cores {
            let found = self.ping(&core).await.filter(|pong| pong.phase == Phase::Running);
            if found.is_some_and(|pong| pong.version == self.version() && pong.members.contains(&self.name)) {
                return true;
            }
        }
        false
    }
}
