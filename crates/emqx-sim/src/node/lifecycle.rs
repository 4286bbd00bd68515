//! From the start of the process to its end. A core opens its port before it looks for others, a replicant never
//! without a core of its own release; a core that was not the last one running waits for its peers.

use super::view::Contact;
use super::{Node, lock};
use crate::cluster_state::{Change, ClusterState, Role, Secret};
use crate::config::Edition;
use crate::license;
use crate::rpc::{Phase, Request, Response};
use crate::volume::Memory;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// Why the process ends by itself, always with a failure code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Exit {
    #[error("failed to start emqx_license on {node}: the license key is malformed; correct license.key")]
    BadLicense { node: String },
    #[error("failed to start emqx_license on {node}: SINGLE_NODE_LICENSE; set license.key to one that allows clusters")]
    SingleNodeLicense { node: String },
    #[error("{node}: the open source edition knows no replicants; set node.role to core")]
    NoReplicants { node: String },
    #[error("{node}: durable sessions with builtin_local need cluster.discovery_strategy = singleton")]
    NeedsSingleton { node: String },
    #[error("failed to start emqx on {node}: conflicting_node_site, the cluster knows it as {known}; forget that site")]
    ConflictingSite { node: String, known: String },
    #[error("failed to read or write the volume of {node}: {reason}")]
    Volume { node: String, reason: String },
}

impl Node {
    /// Lives until [`Node::stop`], which the caller races against this, or until the node ends by itself.
    pub async fn run(self: Arc<Self>) -> Exit {
        let Err(exit) = self.live().await;
        tracing::error!(node = self.name, "{exit}");
        self.enter(Phase::Stopped);
        exit
    }

    async fn live(self: &Arc<Self>) -> Result<Infallible, Exit> {
        self.refuse_to_start()?;
        sleep(self.timings.boot).await;
        match self.role {
            Role::Core => self.boot_core().await?,
            Role::Replicant => self.boot_replicant().await?,
        }
        self.open().await?;
        tokio::select! {
            exit = self.find_cluster() => exit,
            exit = self.tick() => exit,
        }
    }

    fn refuse_to_start(&self) -> Result<(), Exit> {
        let (config, node) = (self.config(), self.name.clone());
        let open_source = self.profile.edition == Edition::OpenSource;
        if config.license_key().is_some_and(|key| license::License::parse(self.profile, key).is_none()) {
            return Err(Exit::BadLicense { node });
        }
        if open_source && self.role == Role::Replicant {
            return Err(Exit::NoReplicants { node });
        }
        if open_source && config.durable_sessions() && config.discovery_strategy() != "singleton" {
            return Err(Exit::NeedsSingleton { node });
        }
        Ok(())
    }

    async fn boot_core(&self) -> Result<(), Exit> {
        let Some(memory) = self.volume.memory(&self.name) else {
            self.cluster_state().apply(Change::Member(self.name.clone(), Role::Core));
            return Ok(());
        };
        let cores = memory.state.members.iter().filter(|(_, role)| **role == Role::Core);
        let others: Vec<String> = cores.map(|(name, _)| name).filter(|name| **name != self.name).cloned().collect();
        *self.cluster_state() = memory.state;
        self.wait_for_tables(&memory.running_peers).await;
        for other in others {
            if self.copy_from(&other).await {
                break;
            }
        }
        Ok(())
    }

    /// Without limit, as the database waits: until one of them runs, or all of them wait like us.
    async fn wait_for_tables(&self, peers: &[String]) {
        loop {
            let mut waiting = 0;
            for peer in peers {
                match self.ping(peer).await.map(|pong| pong.phase) {
                    Some(Phase::Running) => return,
                    Some(Phase::Booting) => waiting += 1,
                    Some(Phase::Joining | Phase::Stopped) | None => {}
                }
            }
            if waiting == peers.len() {
                return;
            }
            sleep(self.timings.tick).await;
        }
    }

    /// A core that was made to leave meanwhile is not among the members: it starts alone.
    async fn copy_from(&self, peer: &str) -> bool {
        self.begin_to_copy();
        let answer = self.call(peer, Request::Copy).await;
        let Ok(Response::Joined { state, cluster_hocon }) = answer else {
            self.end_copying();
            return false;
        };
        if state.members.contains_key(&self.name) {
            self.take_over(*state, cluster_hocon);
        } else {
            self.end_copying();
            *self.cluster_state() = ClusterState::default();
            self.cluster_state().apply(Change::Member(self.name.clone(), Role::Core));
        }
        true
    }

    async fn boot_replicant(&self) -> Result<(), Exit> {
        loop {
            for core in self.discover().await {
                let same =
                    self.ping(&core).await.filter(|pong| pong.phase == Phase::Running && pong.role == Role::Core);
                if same.is_some_and(|pong| pong.version == self.version()) && self.become_member(&core).await {
                    return Ok(());
                }
            }
            tracing::info!(node = self.name, "no_available_core_node_at_same_version");
            sleep(self.timings.tick).await;
        }
    }

    /// Applications start: site, licence, users, keys, evacuation; then the port opens.
    pub(super) async fn open(self: &Arc<Self>) -> Result<(), Exit> {
        self.claim_site().await?;
        self.open_databases().await;
        self.check_license()?;
        let (user, password) = {
            let config = self.config();
            let (user, password) = config.default_user();
            (user.to_owned(), password.to_owned())
        };
        if self.cluster_state().users.is_empty() {
            self.change(Change::User(user, Secret::new(&password))).await;
        }
        self.load_bootstrap_keys().await;
        self.restore_evacuation();
        self.remember();
        self.enter(Phase::Running);
        Ok(())
    }

    fn check_license(&self) -> Result<(), Exit> {
        let key = self.config().license_key().map(str::to_owned);
        let single = key.and_then(|key| license::License::parse(self.profile, &key)).is_some_and(|one| one.single_node);
        if single && self.cluster_state().members.len() > 1 {
            return Err(Exit::SingleNodeLicense { node: self.name.clone() });
        }
        Ok(())
    }

    /// A node that joined before is known under its site; a new volume brings another one. The claim of that one fails: no
    /// start then with durable sessions, and without them a node that has no site.
    async fn claim_site(&self) -> Result<(), Exit> {
        if self.profile.edition == Edition::OpenSource {
            return Ok(());
        }
        let failed = |error: std::io::Error| Exit::Volume { node: self.name.clone(), reason: error.to_string() };
        let site = self.volume.site().map_err(failed)?;
        let known =
            self.cluster_state().storage.sites.iter().find(|(_, node)| **node == self.name).map(|(id, _)| id.clone());
        match known {
            Some(known) if known == site => Ok(()),
            Some(known) if self.config().durable_sessions() => {
                Err(Exit::ConflictingSite { node: self.name.clone(), known })
            }
            Some(_) => Ok(()),
            None => {
                self.change(Change::Site(site, self.name.clone())).await;
                Ok(())
            }
        }
    }

    /// What the database keeps, with the cores that run now.
    pub(super) fn remember(&self) {
        if self.role == Role::Replicant {
            return;
        }
        let down = lock(&self.down_since);
        let state = self.cluster_state().clone();
        let up = |(name, role): &(&String, &Role)| {
            **role == Role::Core && **name != self.name && !down.contains_key(name.as_str())
        };
        let running_peers = state.members.iter().filter(up).map(|(name, _)| name.clone()).collect();
        if let Err(error) = self.volume.remember(&self.name, &Memory { state, running_peers }) {
            tracing::error!(node = self.name, "failed to write the database: {error}");
        }
    }

    /// Once a second: checks for lost nodes, and takes one step of durable storage.
    async fn tick(self: &Arc<Self>) -> Result<Infallible, Exit> {
        loop {
            sleep(self.timings.tick).await;
            self.notice_peers().await;
            self.heal().await?;
            self.reattach().await;
            self.compare_with_cores().await;
            self.move_replicas().await;
        }
    }

    /// A replicant that runs attaches again, when one of its cores has come back without knowing it or knows others than it
    /// does.
    async fn reattach(&self) {
        if self.role != Role::Replicant {
            return;
        }
        let mut cores = Vec::new();
        for core in self.discover().await {
            cores.extend(self.ping(&core).await.filter(|pong| pong.phase == Phase::Running && pong.role == Role::Core));
        }
        cores.retain(|pong| pong.version == self.version());
        // Cores that have found each other form the cluster, not a core that has just booted.
        let Some(cluster) = cores.iter().max_by_key(|pong| pong.members.len()) else { return };
        let mut in_it = cores.iter().filter(|core| cluster.members.contains(&core.name));
        let unknown = in_it.any(|core| !core.members.contains(&self.name));
        // Two that come at the same moment through different cores may not know each other.
        let differs = !cluster.members.iter().eq(self.cluster_state().members.keys());
        if unknown || differs {
            self.become_member(&cluster.name).await;
        }
    }

    async fn notice_peers(&self) {
        let mut changed = false;
        for (name, role) in self.other_members() {
            let contact = self.contact(&name).await;
            self.note_split(&name, role, contact);
            let up = matches!(contact, Contact::Up | Contact::Silent);
            changed |= self.note(&name, up);
            let gone = lock(&self.down_since).get(&name).is_some_and(|since| since.elapsed() > self.timings.autoclean);
            if gone || (!up && role == Role::Replicant) {
                self.change(Change::Gone(name)).await;
            }
        }
        if changed {
            self.remember();
        }
    }

    fn note(&self, name: &str, up: bool) -> bool {
        let mut down = lock(&self.down_since);
        if up {
            return down.remove(name).is_some();
        }
        let known = down.contains_key(name);
        down.entry(name.to_owned()).or_insert_with(Instant::now);
        !known
    }

    /// The end without warning, as when the machine is lost.
    pub fn kill(&self) {
        self.enter(Phase::Stopped);
        self.stop_evacuation_task();
    }

    /// SIGTERM: the API closes first, the node does not leave the cluster.
    pub async fn stop(&self) {
        self.enter(Phase::Stopped);
        sleep(self.timings.shutdown.max(Duration::from_millis(1))).await;
    }
}
