//! A node that copies the state of its cluster misses no change: it applies the changes that arrive meanwhile again, on top of the
//! copy.

use super::{Node, lock};
use crate::cluster_state::{Change, ClusterState, Role};
use crate::config::{Config, Layers};
use crate::rpc::{Phase, Pong, Request, Response};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A change that members send to each other.
#[derive(Debug, Clone)]
pub(super) enum Update {
    Change(Change),
    Config(Map<String, Value>),
}

/// The progress of copying.
#[derive(Debug, Default)]
pub(super) enum SyncState {
    /// Changes that arrive now are part of the state that the node will copy.
    #[default]
    NotBegun,
    /// The node has asked for the state, and keeps the changes that arrive.
    Copying(Vec<Update>),
    Done,
}

impl Node {
    /// From here on no change is missed.
    pub(super) fn begin_to_copy(&self) {
        *lock(&self.sync) = SyncState::Copying(Vec::new());
    }

    /// The node continues with its own state.
    pub(super) fn end_copying(&self) {
        *lock(&self.sync) = SyncState::Done;
    }

    /// Another member sends a change.
    pub(super) fn hear(&self, update: Update) -> Response {
        let mut sync = lock(&self.sync);
        match &mut *sync {
            SyncState::NotBegun if self.phase() == Phase::Booting => return Response::NotRunning,
            SyncState::Copying(heard) => heard.push(update.clone()),
            SyncState::NotBegun | SyncState::Done => {}
        }
        self.take_note(update);
        self.remember();
        Response::Done
    }

    fn take_note(&self, update: Update) {
        match update {
            Update::Change(change) => self.cluster_state().apply(change),
            Update::Config(roots) => self.adopt(roots),
        }
    }

    /// The cluster's state and configuration replace our own.
    pub(super) fn take_over(&self, state: ClusterState, cluster_hocon: String) {
        let mut sync = lock(&self.sync);
        *self.cluster_state() = state;
        if let Err(error) = crate::config::save_cluster_hocon(self.volume.path(), &cluster_hocon) {
            tracing::error!(node = self.name, "failed to write cluster.hocon: {error}");
        }
        let layers = Layers { cluster: cluster_hocon, ..self.layers.clone() };
        match Config::boot(self.profile, &layers) {
            Ok((config, _)) => *self.config() = config,
            Err(error) => tracing::error!(node = self.name, "failed to use the cluster's configuration: {error}"),
        }
        if let SyncState::Copying(heard) = std::mem::replace(&mut *sync, SyncState::Done) {
            heard.into_iter().for_each(|update| self.take_note(update));
        }
    }

    /// A change can miss a node, and is not sent twice. So a node compares its state with the cores of its cluster.
    pub(super) async fn compare_with_cores(&self) {
        if self.phase() != Phase::Running {
            return;
        }
        let mut cores = Vec::new();
        for (core, role) in self.other_members() {
            let found = if role == Role::Core { self.ping(&core).await } else { None };
            cores.extend(found.filter(|pong| pong.phase == Phase::Running && pong.members.contains(&self.name)));
        }
        if self.role == Role::Core {
            self.find_missed_members(&cores).await;
        }
        for core in &cores {
            self.find_missed_storage(core).await;
        }
    }

    /// Members that another core has had twice in a row, that run, and that are in a cluster with us or with others of ours.
    async fn find_missed_members(&self, cores: &[Pong]) {
        let known = self.cluster_state().members.clone();
        let missed = cores.iter().flat_map(|core| &core.members).filter(|name| !known.contains_key(*name));
        let missed: BTreeSet<_> = missed.cloned().collect();
        let before = std::mem::replace(&mut *lock(&self.missed), missed.clone());
        for name in missed.intersection(&before) {
            let ours = |member: &String| known.contains_key(member);
            let found = self.ping(name).await;
            if let Some(pong) = found.filter(|pong| pong.phase == Phase::Running && pong.members.iter().any(ours)) {
                self.take_note(Update::Change(Change::Member(pong.name, pong.role)));
                self.remember();
            }
        }
    }

    /// The site of a core, and changes of where replicas are.
    async fn find_missed_storage(&self, core: &Pong) {
        let storage = self.cluster_state().storage.clone();
        if let Some(site) = core.site.clone().filter(|site| storage.sites.get(site) != Some(&core.name)) {
            self.take_note(Update::Change(Change::Site(site, core.name.clone())));
            self.remember();
        }
        if core.storage > storage.version
            && let Ok(Response::Joined { state, .. }) = self.call(&core.name, Request::Copy).await
        {
            self.take_note(Update::Change(Change::Storage(state.storage)));
            self.remember();
        }
    }
}
