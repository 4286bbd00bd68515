//! Replicants live on cores of their own release. What that means while nodes of two releases are in the cluster: which core old
//! replicants still need, when new ones can start, and which old ones go first.

use super::surge;
use super::topology::Topology;
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::world::{Node, NodeSet, NodeVerdict, total};

impl<'a> Topology<'a> {
    /// The number of old replicants that would hang without this core: they run its version, and no other core does. Another core
    /// of that version that is not ready does not count while this core is ready.
    pub(in crate::lifecycle) fn followers(&self, core: &Node) -> usize {
        let same = |other: &&Node| other.image == core.image && other.pod != core.pod;
        let leads = |other: &Node| same(&other) && (other.is_ready() || !core.is_ready());
        // This core does not come back by itself. Without a ready core no replicant depends on it.
        let lost = core.is_down() && core.issue.is_some() && !self.present(Role::Core).any(|other| other.is_ready());
        if !core.state.has_served() || lost || planted(Bug::DropLastCore) || self.present(Role::Core).any(leads) {
            return 0;
        }
        self.outdated(Role::Replicant).filter(same).filter(|node| node.state.has_served()).count()
    }

    /// Replicants run its version, and no other core that is up does.
    pub(in crate::lifecycle) fn leads_alone(&self, core: &Node) -> bool {
        let same = |other: &&Node| other.image == core.image && other.pod != core.pod && !other.is_down();
        let leads = !core.is_down() && self.present(Role::Replicant).any(|node| same(&node));
        leads && !self.present(Role::Core).any(|other| same(&other))
    }

    /// Replicants start only where cores of their version run: when all cores are new but those that old replicants
    /// follow, or that stand beside a complete new set.
    pub(in crate::lifecycle) fn cores_lead(&self) -> bool {
        let old: Vec<_> = self.outdated_in_target().collect();
        if old.is_empty() {
            return self.old_core_sets().next().is_none() || self.is_complete(Role::Core);
        }
        let new = self.present(Role::Core).any(|node| !self.is_outdated(node) && node.is_ready());
        new && old.iter().all(|core| self.followers(core) > 0)
    }

    /// The replicant sets of other templates.
    pub(in crate::lifecycle) fn old_replicant_sets(&self) -> impl Iterator<Item = &'a NodeSet> + '_ {
        self.world.replicants.sets.iter().filter(|set| !self.is_target(Role::Replicant, &set.name))
    }

    /// Pods that they are told to have.
    pub(in crate::lifecycle) fn old_replicants(&self) -> i32 {
        total(self.old_replicant_sets())
    }

    /// New replicants cannot start: their cores are not there, or their template does not come up. Those that are wanted
    /// meanwhile are made by an old set.
    pub(in crate::lifecycle) fn keeps_old_replicants(&self) -> bool {
        let held = !self.cores_lead() || self.new_replicants_fail();
        self.wanted(Role::Replicant) > 0 && held && self.group_in_the_way().is_none()
    }

    /// Before new replicants can start, an old replicant goes only where there are more than wanted, not counting those that are being
    /// evacuated. Of two replicants whose evacuation was begun and that have restarted since, the first by name goes: otherwise both
    /// would wait for each other.
    pub(in crate::lifecycle) fn is_one_too_many(&self, pod: Option<&str>) -> bool {
        let goes = |node: &&Node| {
            let before = pod.is_none_or(|pod| node.pod.as_str() < pod);
            node.evacuating_by_us && Some(node.pod.as_str()) != pod && (before || !self.is_open(node))
        };
        let going = self.outdated(Role::Replicant).filter(goes).count();
        let going = if planted(Bug::DrainTooMany) { 0 } else { i32::try_from(going).unwrap_or(i32::MAX) };
        !self.cores_lead() && self.old_replicants().saturating_sub(going) > self.wanted(Role::Replicant)
    }

    /// The node goes because fewer are wanted: no new node takes its place.
    pub(in crate::lifecycle) fn is_scaled_in(&self, node: &Node) -> bool {
        let wanted = self.wanted(Role::Replicant);
        let most = || wanted.saturating_add(surge::max_surge(self.desired));
        match node.role {
            Role::Core => self.is_surplus(node),
            Role::Replicant => {
                !self.is_outdated(node)
                    || wanted == 0
                    || self.is_one_too_many(Some(&node.pod))
                    || (!self.is_blue_green() && self.world.replicants.spec_replicas() > most())
            }
        }
    }

    /// A core of the wanted set has not been made: Kubernetes refuses it, or has yet to do it.
    pub(in crate::lifecycle) fn lacks_a_core(&self) -> bool {
        self.target_set(Role::Core).is_some_and(|set| {
            let present = self.present(Role::Core).filter(|core| core.set == set.name).count();
            i32::try_from(present).is_ok_and(|present| present < set.wanted)
        })
    }

    /// Every core is followed by replicants of another old version, so none can go, none is to be added, and without a new
    /// core no replicant can start. The smallest group makes way: its sessions move to the others.
    pub(in crate::lifecycle) fn group_in_the_way(&self) -> Option<&'a str> {
        let grows = |set: &NodeSet| set.wanted < self.wanted(Role::Core) && set.may_grow();
        let to_grow = self.target_set(Role::Core).is_some_and(grows);
        let new = self.present(Role::Core).any(|node| !self.is_outdated(node)) || self.lacks_a_core() || to_grow;
        let mut groups: Vec<_> =
            self.outdated_in_target().map(|core| (self.followers(core), core.image.as_str())).collect();
        groups.sort_unstable();
        let (followers, image) = groups.first().copied().filter(|_| !new)?;
        (followers > 0).then_some(image)
    }

    pub(in crate::lifecycle) fn new_replicants_fail(&self) -> bool {
        let fails = |verdict| match verdict {
            NodeVerdict::Works
            | NodeVerdict::Starts
            | NodeVerdict::Unready
            | NodeVerdict::Settles
            | NodeVerdict::Unsteady
            | NodeVerdict::CannotStartAgain => false,
            NodeVerdict::CannotBePlaced | NodeVerdict::NeverReady | NodeVerdict::Crashes | NodeVerdict::CannotStart => {
                true
            }
        };
        self.is_refused(Role::Replicant) || self.verdicts(Role::Replicant).any(fails)
    }
}
