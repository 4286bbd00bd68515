//! What the rules about nodes share: which template is wanted, and who is to stay.

use super::home;
use crate::build::{CoreSet, ReplicantSet, core_revision, core_set, replicant_set};
use crate::desired::{Desired, NodeName, Role};
use crate::planted::{Bug, planted};
use crate::world::{Node, NodeSet, World};
use emqx_operator_api::hub::UpdateStrategyType;

/// The wanted sets beside the nodes that there are.
pub(super) struct Fleet<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: &'a World,
    /// The set that the cores are to live in.
    pub(super) core_set: CoreSet,
    pub(super) replicant_set: Option<ReplicantSet>,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(desired: &'a Desired, world: &'a World) -> Self {
        let check = super::serving::availability_check(desired, world);
        let name = home::name(desired, world, &core_revision(desired, check));
        let existing = home::claim_templates(world, &name);
        Self {
            desired,
            world,
            core_set: core_set(desired, check, name, existing),
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

    /// The name of the set that nodes of a role are to live in.
    pub(super) fn home(&self, role: Role) -> Option<&str> {
        match role {
            Role::Core => Some(&self.core_set.manifest.id.name),
            Role::Replicant => self.replicant_set.as_ref().map(|set| set.manifest.id.name.as_str()),
        }
    }

    /// How many pods a set is to have in the end.
    pub(super) fn kept(&self, role: Role, set: &str) -> i32 {
        if self.home(role) == Some(set) { self.wanted(role) } else { 0 }
    }

    /// Made from another template than the wanted one, or in a set that is discarded.
    pub(super) fn is_outdated(&self, node: &Node) -> bool {
        node.revision.as_deref() != self.revision(node.role) || self.home(node.role) != Some(node.set.as_str())
    }

    /// A core that goes for good: it is one too many, or its set is discarded.
    pub(super) fn is_surplus(&self, core: &Node) -> bool {
        core.ordinal() >= Some(self.kept(Role::Core, &core.set))
    }

    /// Core sets beside the home that still have nodes.
    pub(super) fn discarded(&self) -> impl Iterator<Item = &'a NodeSet> + '_ {
        let used = |set: &NodeSet| set.wanted > 0 || self.world.cores.nodes.iter().any(|node| node.set == set.name);
        let other = |set: &&NodeSet| self.home(Role::Core) != Some(set.name.as_str());
        self.world.cores.sets.iter().filter(other).filter(move |set| used(set))
    }

    /// New nodes come up beside the old ones, and take over when they are complete.
    pub(super) fn is_blue_green(&self) -> bool {
        self.desired.update_strategy.strategy == UpdateStrategyType::BlueGreen
    }

    /// New nodes of a role that serve.
    pub(super) fn new_ones_serving(&self, role: Role) -> i32 {
        let serves = |node: &&Node| {
            node.available && node.is_member() && !node.marked && node.evacuation.is_none() && !self.is_outdated(node)
        };
        i32::try_from(self.present(role).filter(serves).count()).unwrap_or(i32::MAX)
    }

    /// All new nodes of a role serve: they can take over.
    pub(super) fn is_complete(&self, role: Role) -> bool {
        self.new_ones_serving(role) >= self.wanted(role)
    }

    /// Pods that are there and are not on their way out.
    pub(super) fn present(&self, role: Role) -> impl Iterator<Item = &'a Node> {
        self.world.pool(role).nodes.iter().filter(|node| !node.terminating)
    }

    pub(super) fn outdated(&self, role: Role) -> impl Iterator<Item = &'a Node> + '_ {
        self.present(role).filter(|node| self.is_outdated(node))
    }

    /// Its set was told to have fewer pods than it has, and it may be the one that goes any moment.
    pub(super) fn may_be_on_its_way(&self, node: &Node) -> bool {
        let Some(set) = self.world.pool(node.role).sets.iter().find(|set| set.name == node.set) else { return true };
        let present = self.present(node.role).filter(|other| other.set == set.name).count();
        let fewer = i32::try_from(present).is_ok_and(|present| present > set.wanted);
        fewer && node.ordinal().is_none_or(|number| node.role == Role::Replicant || number >= set.wanted)
    }

    /// Old replicants that would hang without this core: they run its version, and no other core does.
    pub(super) fn followers(&self, core: &Node) -> usize {
        let same = |other: &&Node| other.image == core.image && other.pod != core.pod;
        if core.never_ready || planted(Bug::DropLastCore) || self.present(Role::Core).any(|other| same(&other)) {
            return 0;
        }
        self.outdated(Role::Replicant).filter(same).filter(|node| node.started && !node.never_ready).count()
    }

    /// Replicants start only where cores of their version run: when all cores are new but those that old replicants
    /// follow, or that stand beside a complete new set.
    pub(super) fn cores_lead(&self) -> bool {
        let mut old = self.outdated_at_home().peekable();
        let new = self.present(Role::Core).any(|node| !self.is_outdated(node) && node.ready);
        let complete = self.discarded().next().is_none() || self.is_complete(Role::Core);
        (old.peek().is_none() && complete) || (new && old.peek().is_some() && old.all(|core| self.followers(core) > 0))
    }

    /// Cores that are to restart in place.
    pub(super) fn outdated_at_home(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.outdated(Role::Core).filter(|core| self.home(Role::Core) == Some(core.set.as_str()))
    }

    /// Every core is followed by replicants of another old version, so none can go, and without a new core no replicant
    /// can start. The smallest group makes way: its sessions move to the others.
    pub(super) fn group_in_the_way(&self) -> Option<&'a str> {
        let new = self.present(Role::Core).any(|node| !self.is_outdated(node));
        let mut groups: Vec<_> =
            self.outdated_at_home().map(|core| (self.followers(core), core.image.as_str())).collect();
        groups.sort_unstable();
        let (followers, image) = groups.first().copied().filter(|_| !new)?;
        (followers > 0).then_some(image)
    }

    /// Where the sessions of a node go: to those that stay, so that a session moves once, and rather to replicants than to
    /// cores.
    pub(super) fn targets(&self, leaving: &Node, candidates: &[&str]) -> Vec<NodeName> {
        let open = |node: &&Node| {
            node.pod != leaving.pod
                && node.ready
                && node.is_member()
                && !node.terminating
                && !node.marked
                && node.evacuation.is_none()
        };
        let home = |node: &Node| self.home(node.role) == Some(node.set.as_str()) || planted(Bug::MoveToOld);
        let stays = |node: &&Node| !candidates.contains(&node.pod.as_str()) && home(node);
        let replicants = || self.present(Role::Replicant).filter(open);
        let cores = || self.present(Role::Core).filter(open);
        let choices: [Vec<&Node>; 4] = [
            replicants().filter(stays).collect(),
            cores().filter(stays).collect(),
            replicants().collect(),
            cores().collect(),
        ];
        let best = choices.into_iter().find(|nodes| !nodes.is_empty()).unwrap_or_default();
        best.into_iter().filter_map(|node| node.name.clone()).collect()
    }
}
