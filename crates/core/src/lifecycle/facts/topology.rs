//! What the rules about nodes share: which template is wanted, and who is to stay.

use super::license::{self, License};
use super::upgrade::{self, Upgrade};
use super::{probes, surge, target_set};
use crate::build::{CoreSet, ReplicantSet, core_set, core_template, in_sync, replicant_set};
use crate::desired::{Desired, NodeName, Role};
use crate::planted::{Bug, planted};
use crate::world::{Kind, Node, NodeSet, Reading, View, World, total};
use emqx_operator_api::hub::UpdateStrategyType;
use jiff::SignedDuration;

/// The wanted sets beside the nodes that there are.
pub(in crate::lifecycle) struct Topology<'a> {
    pub(in crate::lifecycle) desired: &'a Desired,
    pub(in crate::lifecycle) world: &'a World,
    /// The set that the cores are to live in.
    pub(in crate::lifecycle) core_set: CoreSet,
    pub(in crate::lifecycle) replicant_set: Option<ReplicantSet>,
    /// How many nodes can live with the license of the spec.
    pub(in crate::lifecycle) license: License,
    /// Whether the nodes may become of the release of the spec.
    pub(in crate::lifecycle) upgrade: Upgrade,
}

impl<'a> Topology<'a> {
    pub(in crate::lifecycle) fn new(desired: &'a Desired, world: &'a World) -> Self {
        let check = probes::availability_check(desired, world);
        let cores = core_template(desired, check);
        let name = target_set::name(desired, world, &cores.revision);
        let existing = world.live(Kind::StatefulSet, &name);
        let beside = !world.cores.sets.is_empty() && world.cores.sets.iter().all(|set| set.name != name);
        Self {
            desired,
            world,
            core_set: core_set(desired, &cores, name, existing),
            replicant_set: desired.replicants.as_ref().map(|pool| replicant_set(desired, pool, check)),
            license: license::judge(desired, world, beside),
            upgrade: upgrade::judge(desired, world),
        }
    }

    /// How many nodes of a role there are to be: those of the spec, as far as they can live.
    pub(in crate::lifecycle) fn wanted(&self, role: Role) -> i32 {
        match (self.license, role) {
            (License::OneCore, Role::Core) => self.desired.cores.replicas.min(1),
            (License::OneCore, Role::Replicant) => 0,
            (License::Suffices | License::KeepsNodes, role) => self.desired.wanted(role),
        }
    }

    /// No node is to be made, changed or taken away.
    pub(in crate::lifecycle) fn keeps_nodes(&self) -> bool {
        self.license == License::KeepsNodes || self.upgrade.is_held()
    }

    fn revision(&self, role: Role) -> Option<&str> {
        match role {
            Role::Core => Some(&self.core_set.revision),
            Role::Replicant => self.replicant_set.as_ref().map(|set| set.revision.as_str()),
        }
    }

    /// The name of the set that nodes of a role are to live in.
    pub(in crate::lifecycle) fn target_name(&self, role: Role) -> Option<&str> {
        match role {
            Role::Core => Some(&self.core_set.manifest.id.name),
            Role::Replicant => self.replicant_set.as_ref().map(|set| set.manifest.id.name.as_str()),
        }
    }

    pub(in crate::lifecycle) fn is_target(&self, role: Role, set: &str) -> bool {
        self.target_name(role) == Some(set)
    }

    /// The set that nodes of a role are to live in, once it exists.
    pub(in crate::lifecycle) fn target_set(&self, role: Role) -> Option<&'a NodeSet> {
        self.world.pool(role).sets.iter().find(|set| self.is_target(role, &set.name))
    }

    /// How many pods a set is to have in the end.
    pub(in crate::lifecycle) fn final_replicas(&self, role: Role, set: &str) -> i32 {
        if self.is_target(role, set) { self.wanted(role) } else { 0 }
    }

    /// Made from another template than the wanted one, or in a set that is discarded.
    pub(in crate::lifecycle) fn is_outdated(&self, node: &Node) -> bool {
        node.revision.as_deref() != self.revision(node.role) || !self.is_target(node.role, &node.set)
    }

    /// A core that goes for good: it is one too many, or its set is discarded.
    pub(in crate::lifecycle) fn is_surplus(&self, core: &Node) -> bool {
        core.ordinal() >= Some(self.final_replicas(Role::Core, &core.set))
    }

    /// Core sets beside the home that still have nodes.
    pub(in crate::lifecycle) fn old_core_sets(&self) -> impl Iterator<Item = &'a NodeSet> + '_ {
        let cores = &self.world.cores;
        let used = |set: &NodeSet| set.wanted > 0 || cores.of_set(&set.name).next().is_some();
        cores.sets.iter().filter(move |set| !self.is_target(Role::Core, &set.name) && used(set))
    }

    /// New nodes come up beside the old ones, and take over when they are complete.
    pub(in crate::lifecycle) fn is_blue_green(&self) -> bool {
        self.desired.update_strategy.strategy == UpdateStrategyType::BlueGreen
    }

    /// One that the cluster does not see may be cut off from it. Where EMQX cannot be asked, nobody is known to be.
    pub(in crate::lifecycle) fn is_seen(&self, node: &Node) -> bool {
        node.is_member() || self.world.broker.fresh().is_none()
    }

    /// What a core lists that answers as a cluster of its own.
    pub(in crate::lifecycle) fn view_of_apart(&self, node: &Node) -> Option<&'a View> {
        self.world.broker.fresh()?.disagreement.apart.get(node.name.as_ref()?)
    }

    /// EMQX says that it is open, whatever is written down about it: it has restarted, or was never closed.
    pub(in crate::lifecycle) fn is_open(&self, node: &Node) -> bool {
        let told = self.world.broker.fresh().map(|broker| &broker.evacuations);
        let told = matches!(told, Some(Reading::Fresh(_) | Reading::Off));
        told && node.ready && node.is_member() && node.evacuation.is_none()
    }

    /// New nodes of a role that serve.
    pub(in crate::lifecycle) fn new_ones_serving(&self, role: Role) -> i32 {
        let open = |node: &Node| !node.marked && node.evacuation.is_none();
        let serves = |node: &&Node| node.available && self.is_seen(node) && open(node) && !self.is_outdated(node);
        i32::try_from(self.present(role).filter(serves).count()).unwrap_or(i32::MAX)
    }

    /// All new nodes of a role serve, and EMQX says so: they can take over.
    pub(in crate::lifecycle) fn is_complete(&self, role: Role) -> bool {
        self.world.broker.fresh().is_some() && self.new_ones_serving(role) >= self.wanted(role)
    }

    /// Pods that are there and are not on their way out.
    pub(in crate::lifecycle) fn present(&self, role: Role) -> impl Iterator<Item = &'a Node> {
        self.world.pool(role).nodes.iter().filter(|node| !node.terminating)
    }

    pub(in crate::lifecycle) fn outdated(&self, role: Role) -> impl Iterator<Item = &'a Node> + '_ {
        self.present(role).filter(|node| self.is_outdated(node))
    }

    /// Its set was told to have fewer pods than it has, and it may be the one that goes any moment.
    pub(in crate::lifecycle) fn may_be_on_its_way(&self, node: &Node) -> bool {
        let Some(set) = self.world.pool(node.role).sets.iter().find(|set| set.name == node.set) else { return true };
        let present = self.present(node.role).filter(|other| other.set == set.name).count();
        let fewer = i32::try_from(present).is_ok_and(|present| present > set.wanted);
        fewer && node.ordinal().is_none_or(|number| node.role == Role::Replicant || number >= set.wanted)
    }

    /// Old replicants that would hang without this core: they run its version, and no other core does. One that does not
    /// serve leads nobody while this one does.
    pub(in crate::lifecycle) fn followers(&self, core: &Node) -> usize {
        let same = |other: &&Node| other.image == core.image && other.pod != core.pod;
        let leads = |other: &Node| same(&other) && (other.ready || !core.ready);
        // It does not come back by itself, and while no other core serves nobody follows anybody.
        let lost = core.is_down() && core.wait.is_some() && !self.present(Role::Core).any(|other| other.ready);
        if core.never_ready || lost || planted(Bug::DropLastCore) || self.present(Role::Core).any(leads) {
            return 0;
        }
        self.outdated(Role::Replicant).filter(same).filter(|node| node.started && !node.never_ready).count()
    }

    /// A replicant waits in its boot without limit while no core of its version runs. EMQX must have said that it is not
    /// there: a node that is cut off may serve.
    pub(in crate::lifecycle) fn boots_for_long(&self, node: &Node) -> bool {
        const LONG: SignedDuration = SignedDuration::from_mins(3);
        let booting = node.booting_since().filter(|_| self.world.broker.fresh().is_some() && !node.is_member());
        booting.is_some_and(|since| self.world.now.duration_since(since) >= LONG)
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
        let new = self.present(Role::Core).any(|node| !self.is_outdated(node) && node.ready);
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

    /// Kubernetes does not make the pods of the wanted set.
    pub(in crate::lifecycle) fn is_refused(&self, role: Role) -> bool {
        self.target_set(role).is_some_and(|set| set.refusal.is_some())
    }

    pub(in crate::lifecycle) fn new_replicants_fail(&self) -> bool {
        let fails = |node: &Node| !self.is_outdated(node) && node.never_ready && node.wait.is_some();
        self.is_refused(Role::Replicant) || self.present(Role::Replicant).any(fails)
    }

    /// Before new replicants can start, old ones go only where there are more than wanted, beside those that are on their way.
    /// Of two that were begun and have restarted, one goes, or each would wait for the other.
    pub(in crate::lifecycle) fn is_one_too_many(&self, pod: Option<&str>) -> bool {
        let goes = |node: &&Node| {
            let before = pod.is_none_or(|pod| node.pod.as_str() < pod);
            node.marked && Some(node.pod.as_str()) != pod && (before || !self.is_open(node))
        };
        let going = self.outdated(Role::Replicant).filter(goes).count();
        let going = if planted(Bug::DrainTooMany) { 0 } else { i32::try_from(going).unwrap_or(i32::MAX) };
        !self.cores_lead() && self.old_replicants().saturating_sub(going) > self.wanted(Role::Replicant)
    }

    /// It goes because fewer are wanted, and nobody takes its place.
    pub(in crate::lifecycle) fn is_scaled_in(&self, node: &Node) -> bool {
        let wanted = self.wanted(Role::Replicant);
        let most = || wanted.saturating_add(surge::max_surge(self.desired));
        match node.role {
            Role::Core => self.is_surplus(node),
            Role::Replicant => {
                !self.is_outdated(node)
                    || wanted == 0
                    || self.is_one_too_many(Some(&node.pod))
                    || (!self.is_blue_green() && self.world.replicants.told() > most())
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

    /// Nodes of another release are in the cluster: EMQX wants no change of its configuration meanwhile, and they may not know
    /// what a new one has. Nodes that start read it from the files.
    pub(in crate::lifecycle) fn changes_image(&self) -> bool {
        let mut outdated = self.outdated(Role::Core).chain(self.outdated(Role::Replicant));
        outdated.any(|node| node.is_member() && self.has_other_image(node))
    }

    /// Another one than the spec asks for, or than a webhook makes of that.
    pub(in crate::lifecycle) fn has_other_image(&self, node: &Node) -> bool {
        ![Some(self.desired.image.reference.as_str()), self.rewritten_image()].contains(&Some(&node.image))
    }

    /// The image that Kubernetes has made of the wanted one, once the core set has it.
    pub(in crate::lifecycle) fn rewritten_image(&self) -> Option<&'a str> {
        let manifest = &self.core_set.manifest;
        let live = self.world.live(manifest.id.kind, &manifest.id.name)?;
        live.emqx_container()?["image"]
            .as_str()
            .filter(|_| in_sync(manifest, live, self.world.rewritten.get(&manifest.id)))
    }

    /// Cores that are to restart in place.
    pub(in crate::lifecycle) fn outdated_in_target(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.outdated(Role::Core).filter(|core| self.is_target(Role::Core, &core.set))
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

    /// Where the sessions of a node go: to those that stay, so that a session moves once, and rather to replicants than to
    /// cores. Those of a replicant that is one too many go to the others.
    pub(in crate::lifecycle) fn targets(&self, leaving: &Node, candidates: &[&str]) -> Vec<NodeName> {
        let open = |node: &&Node| {
            node.pod != leaving.pod
                && node.ready
                && node.broker.as_ref().is_some_and(|member| member.running && member.evacuates())
                && !node.terminating
                && !node.marked
                && node.evacuation.is_none()
        };
        let home = |node: &Node| self.is_target(node.role, &node.set) || planted(Bug::MoveToOld);
        let stays = |node: &&Node| !candidates.contains(&node.pod.as_str()) && home(node);
        let replicants = || self.present(Role::Replicant).filter(open);
        let cores = || self.present(Role::Core).filter(open);
        let too_many = leaving.role == Role::Replicant
            && self.wanted(Role::Replicant) > 0
            && self.is_one_too_many(Some(&leaving.pod));
        let choices: [Vec<&Node>; 5] = [
            replicants().filter(stays).collect(),
            replicants().filter(|_| too_many).collect(),
            cores().filter(stays).collect(),
            replicants().collect(),
            cores().collect(),
        ];
        let best = choices.into_iter().find(|nodes| !nodes.is_empty()).unwrap_or_default();
        best.into_iter().filter_map(|node| node.name.clone()).collect()
    }
}
