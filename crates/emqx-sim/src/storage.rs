//! Durable storage: shards are allocated once, when enough sites are known; replicas move one step a tick, always by
//! the running core whose name sorts first.

use crate::node::{Node, Seen};
use crate::shared::{Change, Role, Shard, Storage};
use std::collections::BTreeSet;

pub(crate) const DATABASE: &str = "messages";

impl Node {
    pub(crate) async fn move_replicas(&self) {
        if !self.config().durable_sessions() || self.faults().storage_stuck || !self.moves_replicas().await {
            return;
        }
        let mut storage = self.shared().storage.clone();
        if self.allocate(&mut storage) || self.step(&mut storage).await {
            self.change(Change::Storage(storage)).await;
        }
    }

    async fn moves_replicas(&self) -> bool {
        let running = self.running().await;
        let members = self.shared().members.clone();
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

    /// Per shard one replica: lost ones leave first, then one joins, then one leaves.
    async fn step(&self, storage: &mut Storage) -> bool {
        let mut up = BTreeSet::new();
        for (site, node) in &storage.sites {
            if self.shared().members.contains_key(node) && self.seen(node).await == Seen::Running {
                up.insert(site.clone());
            }
        }
        let lost = self.lost_sites(storage);
        let mut changed = false;
        for shard in storage.databases.values_mut().flatten() {
            changed |= shard.advance(&up, &lost);
        }
        changed
    }

    pub(crate) fn lost_sites(&self, storage: &Storage) -> BTreeSet<String> {
        let members = self.shared().members.clone();
        let lost = storage.sites.iter().filter(|(_, node)| !members.contains_key(*node));
        lost.map(|(site, _)| site.clone()).collect()
    }
}

impl Node {
    /// Refused while the site is up, only down, holds a replica, or shall hold one.
    pub(crate) async fn forget_site(&self, site: &str) -> Result<(), &'static str> {
        let mut storage = self.shared().storage.clone();
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
        self.change(Change::Storage(storage)).await;
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
        } else if let Some(site) = leaving.first().filter(|_| joining.is_empty()) {
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
