//! A node that copies the state of its cluster misses nothing of what changes meanwhile: it does that again, on top of what
//! it was given.

use super::{Node, lock};
use crate::config::{Config, Layers};
use crate::rpc::{Phase, Pong, Request, Response};
use crate::shared::{Change, Role, Shared};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What members tell each other.
#[derive(Debug, Clone)]
pub(super) enum News {
    Change(Change),
    Config(Map<String, Value>),
}

/// How far a node is with copying.
#[derive(Debug, Default)]
pub(super) enum CatchingUp {
    /// What it is told now is part of what it will copy.
    #[default]
    NotBegun,
    /// It has asked, and keeps what it is told.
    Copying(Vec<News>),
    Done,
}

impl Node {
    /// From here on no news is missed.
    pub(super) fn begin_to_copy(&self) {
        *lock(&self.catching_up) = CatchingUp::Copying(Vec::new());
    }

    /// It goes on with the state that it has.
    pub(super) fn end_copying(&self) {
        *lock(&self.catching_up) = CatchingUp::Done;
    }

    /// Another member tells what has changed.
    pub(super) fn hear(&self, news: News) -> Response {
        let mut catching_up = lock(&self.catching_up);
        match &mut *catching_up {
            CatchingUp::NotBegun if self.phase() == Phase::Booting => return Response::NotRunning,
            CatchingUp::Copying(heard) => heard.push(news.clone()),
            CatchingUp::NotBegun | CatchingUp::Done => {}
        }
        self.take_note(news);
        self.remember();
        Response::Done
    }

    fn take_note(&self, news: News) {
        match news {
            News::Change(change) => self.shared().apply(change),
            News::Config(roots) => self.adopt(roots),
        }
    }

    /// The cluster's state and configuration replace our own.
    pub(super) fn take_over(&self, shared: Shared, cluster_hocon: String) {
        let mut catching_up = lock(&self.catching_up);
        *self.shared() = shared;
        if let Err(error) = crate::config::save_cluster_hocon(self.volume.path(), &cluster_hocon) {
            tracing::error!(node = self.name, "failed to write cluster.hocon: {error}");
        }
        let layers = Layers { cluster: cluster_hocon, ..self.layers.clone() };
        match Config::boot(self.profile, &layers) {
            Ok((config, _)) => *self.config() = config,
            Err(error) => tracing::error!(node = self.name, "failed to use the cluster's configuration: {error}"),
        }
        if let CatchingUp::Copying(heard) = std::mem::replace(&mut *catching_up, CatchingUp::Done) {
            heard.into_iter().for_each(|news| self.take_note(news));
        }
    }

    /// A message can miss a node, and nobody sends it twice. So a node looks at what the cores of its cluster have.
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
        let known = self.shared().members.clone();
        let missed = cores.iter().flat_map(|core| &core.members).filter(|name| !known.contains_key(*name));
        let missed: BTreeSet<_> = missed.cloned().collect();
        let before = std::mem::replace(&mut *lock(&self.missed), missed.clone());
        for name in missed.intersection(&before) {
            let ours = |member: &String| known.contains_key(member);
            let found = self.ping(name).await;
            if let Some(pong) = found.filter(|pong| pong.phase == Phase::Running && pong.members.iter().any(ours)) {
                self.take_note(News::Change(Change::Member(pong.name, pong.role)));
                self.remember();
            }
        }
    }

    /// The site of a core, and changes of where replicas are.
    async fn find_missed_storage(&self, core: &Pong) {
        let storage = self.shared().storage.clone();
        if let Some(site) = core.site.clone().filter(|site| storage.sites.get(site) != Some(&core.name)) {
            self.take_note(News::Change(Change::Site(site, core.name.clone())));
            self.remember();
        }
        if core.storage > storage.version
            && let Ok(Response::Joined { shared, .. }) = self.call(&core.name, Request::Copy).await
        {
            self.take_note(News::Change(Change::Storage(shared.storage)));
            self.remember();
        }
    }
}
