//! What the rules about nodes share: which template is wanted, and who is to stay.

use crate::build::{CoreSet, ReplicantSet, core_set, replicant_set};
use crate::desired::{Desired, NodeName, Role};
use crate::world::{Node, World};

/// The wanted sets beside the nodes that there are.
pub(super) struct Fleet<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: &'a World,
    pub(super) core_set: CoreSet,
    pub(super) replicant_set: Option<ReplicantSet>,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(desired: &'a Desired, world: &'a World) -> Self {
        let check = super::serving::availability_check(desired, world);
        Self {
            desired,
            world,
            core_set: core_set(desired, check, world.claim_templates.as_ref()),
            replicant_set: desired.replicants.as_ref().map(|pool| replicant_set(desired, pool, check)),
        }
    }

    pub(super) fn wanted(&self, role: Role) -> i32 {
        match role {
            Role::Core => self.desired.cores.replicas,
            Role::Replicant => self.desired.replicants_wanted(),
        }
    }

    fn revision(&self, role: Role) -> Option<&str> {
        match role {
            Role::Core => Some(&self.core_set.revision),
            Role::Replicant => self.replicant_set.as_ref().map(|set| set.revision.as_str()),
        }
    }

    /// Made from another template than the wanted one.
    pub(super) fn is_outdated(&self, node: &Node) -> bool {
        node.revision.as_deref() != self.revision(node.role)
    }

    /// Pods that are there and are not on their way out.
    pub(super) fn present(&self, role: Role) -> impl Iterator<Item = &'a Node> {
        self.world.pool(role).nodes.iter().filter(|node| !node.terminating)
    }

    pub(super) fn outdated(&self, role: Role) -> impl Iterator<Item = &'a Node> + '_ {
        self.present(role).filter(|node| self.is_outdated(node))
    }

    /// Replicants start only where cores of their version run: when all cores are new but the one that is kept for the
    /// old replicants.
    pub(super) fn cores_lead(&self) -> bool {
        let old = self.outdated(Role::Core).count();
        let new = self.present(Role::Core).filter(|node| !self.is_outdated(node) && node.ready).count();
        old == 0 || (old == 1 && new > 0)
    }

    /// Where the sessions of a node go: to those that stay, rather to replicants than to cores, rather to new ones than
    /// to old ones, so that a session moves once.
    pub(super) fn targets(&self, leaving: &Node, candidates: &[&str]) -> Vec<NodeName> {
        let open = |node: &&Node| {
            node.pod != leaving.pod
                && node.ready
                && node.is_member()
                && !node.terminating
                && !node.marked
                && node.evacuation.is_none()
        };
        let best = |role: Role| {
            let stays = |node: &&Node| !candidates.contains(&node.pod.as_str());
            let staying: Vec<_> = self.present(role).filter(open).filter(stays).collect();
            if staying.is_empty() { self.present(role).filter(open).collect() } else { staying }
        };
        let replicants = best(Role::Replicant);
        let chosen = if replicants.is_empty() { best(Role::Core) } else { replicants };
        chosen.into_iter().filter_map(|node| node.name.clone()).collect()
    }
}
