//! A partitioned cluster: each side continues alone. When they see each other again, the smaller side
//! restarts its applications and takes over the state of the larger one.

use super::view::Contact;
use super::{Exit, Node, lock};
use crate::cluster_state::Role;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// What a node remembers of a split.
#[derive(Debug, Default)]
pub(super) struct Split {
    /// Cores that were on the other side.
    others: BTreeSet<String>,
    /// Since when all cores see each other again.
    healed: Option<Instant>,
}

impl Node {
    pub(super) fn note_split(&self, name: &str, role: Role, contact: Contact) {
        let mut split = lock(&self.split);
        if role == Role::Replicant || self.role == Role::Replicant {
            return;
        }
        match contact {
            Contact::Lost => {
                split.others.insert(name.to_owned());
                split.healed = None;
            }
            // It was not the network.
            Contact::Down => _ = split.others.remove(name),
            Contact::Up if split.others.contains(name) => _ = split.healed.get_or_insert_with(Instant::now),
            Contact::Up | Contact::Silent => {}
        }
    }

    /// Autoheal: a dead core in the list of members blocks it.
    pub(super) async fn heal(self: &Arc<Self>) -> Result<(), Exit> {
        let others = {
            let mut split = lock(&self.split);
            if split.healed.is_none_or(|at| at.elapsed() < self.timings.autoheal) || !self.may_heal() {
                return Ok(());
            }
            std::mem::take(&mut *split).others
        };
        match others.first().filter(|_| self.is_smaller_side(&others)) {
            Some(target) => self.join(target).await.map(drop),
            None => Ok(()),
        }
    }

    fn cores(&self) -> BTreeSet<String> {
        let members = self.cluster_state().members.clone();
        members.into_iter().filter(|(_, role)| *role == Role::Core).map(|(name, _)| name).collect()
    }

    fn may_heal(&self) -> bool {
        let (cores, down) = (self.cores(), lock(&self.down_since));
        cores.iter().filter(|name| down.contains_key(*name)).count() < cores.len() / 2
    }

    /// Of equal sides the one with the first name stays.
    fn is_smaller_side(&self, others: &BTreeSet<String>) -> bool {
        let ours: BTreeSet<String> = self.cores().difference(others).cloned().collect();
        (others.len(), ours.first()) > (ours.len(), others.first())
    }
}
