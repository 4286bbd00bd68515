//! Becoming a member. A fresh core joins the oldest core it discovers and throws its own state away; while it does, its
//! port is closed. A core that is a member already waits for the others to come.

use super::{Exit, Node};
use crate::cluster_state::{Change, ClusterState, Role};
use crate::rpc::{Phase, Pong, Request, Response};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::sleep;

impl Node {
    /// Autocluster: only at boot, until every discovered node is a member and runs.
    pub(super) async fn find_cluster(self: &Arc<Self>) -> Result<Infallible, Exit> {
        let alone = matches!(self.config().discovery_strategy(), "manual" | "singleton");
        if alone || self.role == Role::Replicant {
            return std::future::pending().await;
        }
        sleep(self.timings.singleton).await;
        loop {
            let mut found = self.discover().await;
            found.retain(|name| *name != self.name);
            let mut running = Vec::new();
            for name in &found {
                running.extend(self.ping(name).await.filter(|pong| pong.phase == Phase::Running));
            }
            let members = self.cluster_state().members.clone();
            if !found.is_empty() && running.len() == found.len() && found.iter().all(|name| members.contains_key(name))
            {
                return std::future::pending().await;
            }
            running.retain(|pong| pong.role == Role::Core && !members.contains_key(&pong.name));
            if let Some(target) = self.join_target(&running) {
                self.join(&target).await?;
            }
            sleep(self.timings.discovery).await;
        }
    }

    /// Whether this node and another core are members of one cluster.
    pub(super) fn has_joined(&self) -> bool {
        self.other_members().iter().any(|(_, role)| *role == Role::Core)
    }

    fn join_target(&self, strangers: &[Pong]) -> Option<String> {
        if self.has_joined() {
            return None;
        }
        let oldest = |joined: bool| {
            let fits = strangers.iter().filter(move |pong| pong.joined == joined);
            fits.max_by(|a, b| (a.uptime_ms, &b.name).cmp(&(b.uptime_ms, &a.name)))
        };
        if let Some(pong) = oldest(true) {
            return Some(pong.name.clone());
        }
        let other = oldest(false)?;
        let me = (self.uptime_ms(), &other.name);
        ((other.uptime_ms, &self.name) > me).then(|| other.name.clone())
    }

    /// Applications stop, state is replaced, applications start.
    pub(super) async fn join(self: &Arc<Self>, target: &str) -> Result<bool, Exit> {
        tracing::info!(node = self.name, target, "joining");
        self.enter(Phase::Joining);
        self.stop_evacuation_task();
        sleep(self.timings.join).await;
        let joined = self.become_member(target).await;
        self.open().await?;
        Ok(joined)
    }

    pub(super) async fn become_member(&self, target: &str) -> bool {
        self.begin_to_copy();
        let request = Request::Join { name: self.name.clone(), role: self.role };
        match self.call(target, request).await {
            Ok(Response::Joined { state, cluster_hocon }) => {
                self.take_over(*state, cluster_hocon);
                true
            }
            other => {
                tracing::warn!(node = self.name, target, "failed to join: {other:?}");
                self.end_copying();
                false
            }
        }
    }

    /// Leaves the cluster and continues as a cluster of one node, until the next boot.
    pub(super) async fn leave(self: &Arc<Self>) -> Result<(), Exit> {
        for (name, _) in self.other_members() {
            // A peer that is down learns it from the others.
            let _ = self.call(&name, Request::Apply(Change::Gone(self.name.clone()))).await;
        }
        self.enter(Phase::Joining);
        self.stop_evacuation_task();
        {
            let mut state = self.cluster_state();
            *state = ClusterState::default();
            state.apply(Change::Member(self.name.clone(), self.role));
        }
        sleep(self.timings.join).await;
        self.open().await
    }
}
