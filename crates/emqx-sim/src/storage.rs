//! Durable storage: shards are allocated once, when enough sites are known; replicas move one step a tick, always by
//! the running core whose name sorts first.

use crate::cluster_state::{Change, Role, Shard, Storage};
use crate::config::Edition;
use crate::mqtt::{DurableRequest, DurableResponse, PeerRequest, PeerResponse};
use crate::node::{Node, Seen};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::timeout;

pub(crate) const DATABASE: &str = "messages";

impl Node {
    pub(crate) async fn move_replicas(&self) {
        if !self.config().durable_sessions() || self.faults().storage_stuck || !self.moves_replicas().await {
            return;
        }
        let before = self.cluster_state().storage.clone();
        let ready = self.ready_sites(&before).await;
        let mut storage = self.cluster_state().storage.clone();
        // The next look is soon enough for what others have changed meanwhile.
        if storage.version != before.version {
            return;
        }
        let lost = self.lost_sites(&storage);
        let mut changed = self.allocate(&mut storage);
        for (shard, ready) in storage.databases.values_mut().flatten().zip(&ready) {
            changed |= shard.advance(ready, &lost);
        }
        if changed {
            self.change_storage(storage).await;
        }
    }

    /// Sends the storage to all members, also to members that missed earlier changes.
    pub(crate) async fn change_storage(&self, mut storage: Storage) {
        storage.version = (self.cluster_state().storage.version.0 + 1, self.name.clone());
        self.change(Change::Storage(storage)).await;
    }

    /// The first core does not wait for others, unless the configuration says how many sites there will be.
    pub(crate) async fn open_databases(&self) {
        let mut storage = self.cluster_state().storage.clone();
        let alone = self.config().durable_sessions() && self.cluster_state().members.len() == 1;
        if alone && self.allocate(&mut storage) {
            self.change_storage(storage).await;
        }
    }

    async fn moves_replicas(&self) -> bool {
        let running = self.running().await;
        let members = self.cluster_state().members.clone();
        running.iter().find(|name| members.get(*name) == Some(&Role::Core)) == Some(&self.name)
    }

    fn allocate(&self, storage: &mut Storage) -> bool {
        let config = self.config();
        let enough = storage.sites.len() as u64 >= config.n_sites();
        if storage.databases.contains_key(DATABASE) || !enough {
            return false;
        }
        let sites: Vec<&String> = storage.sites.keys().collect();
        let each = sites.len().min(usize::try_from(config.replication_factor()).unwrap_or(usize::MAX));
        let shard = |index: usize| Shard {
            replicas: (0..each).map(|n| sites[(index + n) % sites.len()].clone()).collect(),
            target: None,
        };
        let count = usize::try_from(config.n_shards()).unwrap_or(16);
        let shards = (0..count).map(shard).collect();
        storage.databases.insert(DATABASE.to_owned(), shards);
        true
    }

    /// For each shard the sites that may take part in its next step: lost ones leave first, then one joins, then one leaves.
    async fn ready_sites(&self, storage: &Storage) -> Vec<BTreeSet<String>> {
        let mut up = BTreeSet::new();
        for (site, node) in &storage.sites {
            if self.cluster_state().members.contains_key(node) && self.seen(node).await == Seen::Running {
                up.insert(site.clone());
            }
        }
        let mut ready = Vec::new();
        for (index, shard) in storage.databases.values().flatten().enumerate() {
            ready.push(self.copied(index, shard, &up, &storage.sites).await);
        }
        ready
    }

    /// Of the sites that are up, those that may take part in a change of this shard: none, unless all that hold it or
    /// are about to have what the others have.
    async fn copied(
        &self,
        index: usize,
        shard: &Shard,
        up: &BTreeSet<String>,
        nodes: &BTreeMap<String, String>,
    ) -> BTreeSet<String> {
        let Some(target) = &shard.target else { return up.clone() };
        let concerned = shard.replicas.union(target).filter(|site| up.contains(*site));
        for node in concerned.filter_map(|site| nodes.get(site)) {
            let request = PeerRequest::Durable(DurableRequest::CatchUp(index));
            let told = timeout(self.timings.call, self.pass_on(node, request)).await;
            if !matches!(told, Ok(Ok(PeerResponse::Durable(DurableResponse::Done)))) {
                return BTreeSet::new();
            }
        }
        up.clone()
    }

    /// The nodes that hold each shard; none before the shards were allocated.
    pub(crate) fn replica_nodes(&self) -> Vec<Vec<String>> {
        // The open source edition has one node, and all of it there.
        if self.profile.edition == Edition::OpenSource {
            return vec![vec![self.name.clone()]];
        }
        let state = self.cluster_state();
        let sites = &state.storage.sites;
        let nodes = |shard: &Shard| shard.replicas.iter().filter_map(|site| sites.get(site).cloned()).collect();
        state.storage.databases.get(DATABASE).into_iter().flatten().map(nodes).collect()
    }

    pub(crate) fn lost_sites(&self, storage: &Storage) -> BTreeSet<String> {
        let members = self.cluster_state().members.clone();
        let lost = storage.sites.iter().filter(|(_, node)| !members.contains_key(*node));
        lost.map(|(site, _)| site.clone()).collect()
    }
}

impl Node {
    /// Refused while the site is up, only down, holds a replica, or shall hold one.
    pub(crate) async fn forget_site(&self, site: &str) -> Result<(), &'static str> {
        let mut storage = self.cluster_state().storage.clone();
        if !storage.sites.contains_key(site) {
            return Err("not_found");
        }
        if !self.lost_sites(&storage).contains(site) {
            return Err("Site is up or temporarily down");
        }
        let holds = |shard: &Shard| {
            shard.replicas.contains(site) || shard.target.as_ref().is_some_and(|target| target.contains(site))
        };
        if storage.databases.values().flatten().any(holds) {
            return Err("Site still holds replicas");
        }
        storage.sites.remove(site);
        self.change_storage(storage).await;
        Ok(())
    }
}

impl Shard {
    fn advance(&mut self, up: &BTreeSet<String>, lost: &BTreeSet<String>) -> bool {
        let Some(target) = self.target.clone() else { return false };
        let leaving: Vec<String> = self.replicas.difference(&target).cloned().collect();
        let joining: Vec<String> = target.difference(&self.replicas).cloned().collect();
        if let Some(gone) = leaving.iter().find(|site| lost.contains(*site)) {
            self.replicas.remove(gone);
        } else if let Some(site) = joining.iter().find(|site| up.contains(*site)) {
            self.replicas.insert(site.clone());
        } else if let Some(site) = leaving.first().filter(|_| joining.is_empty() && !up.is_empty()) {
            self.replicas.remove(site);
        } else if !joining.is_empty() || !leaving.is_empty() {
            return false;
        }
        if self.replicas == target {
            self.target = None;
        }
        true
    }

    /// Site and direction, in the order of the plan.
    pub(crate) fn transitions(&self) -> Vec<(String, &'static str)> {
        let Some(target) = &self.target else { return Vec::new() };
        let joining = target.difference(&self.replicas).map(|site| (site.clone(), "joining"));
        joining.chain(self.replicas.difference(target).map(|site| (site.clone(), "leaving"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_replica_leaves_only_after_the_new_one_joined() {
        let mut shard = Shard { replicas: sites(&["A"]), target: Some(sites(&["B"])) };
        assert!(!shard.advance(&sites(&["A"]), &sites(&[])), "B is down");
        assert!(shard.advance(&sites(&["A", "B"]), &sites(&[])));
        assert_eq!(shard.replicas, sites(&["A", "B"]));
        assert!(shard.advance(&sites(&["A", "B"]), &sites(&[])));
        assert_eq!((shard.replicas, shard.target), (sites(&["B"]), None));
    }
}
