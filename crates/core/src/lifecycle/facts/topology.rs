//! What the rules about nodes share: which template is wanted, and which nodes stay.

use super::license::{self, License};
use super::upgrade::{self, Upgrade};
use super::{probes, target_set};
use crate::build::{CoreSet, ReplicantSet, core_set, core_template, in_sync, replicant_set};
use crate::desired::{Desired, Role};
use crate::world::{Kind, Node, NodeSet, NodeVerdict, Reading, View, World};
use emqx_operator_api::hub::UpdateStrategyType;

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

    /// Core sets beside the target that still have cores.
    pub(in crate::lifecycle) fn old_core_sets(&self) -> impl Iterator<Item = &'a NodeSet> + '_ {
        let cores = &self.world.cores;
        cores.sets.iter().filter(move |set| !self.is_target(Role::Core, &set.name) && cores.is_used(set))
    }

    /// New nodes come up beside the old ones, and take over when they are complete.
    pub(in crate::lifecycle) fn is_blue_green(&self) -> bool {
        self.desired.update_strategy.strategy == UpdateStrategyType::BlueGreen
    }

    /// What a core lists that answers as a cluster of its own.
    pub(in crate::lifecycle) fn view_of_apart(&self, node: &Node) -> Option<&'a View> {
        self.world.broker.fresh()?.disagreement.apart.get(node.name.as_ref()?)
    }

    /// EMQX says that it is open, whatever is written down about it: it has restarted, or was never closed.
    pub(in crate::lifecycle) fn is_open(&self, node: &Node) -> bool {
        let told = self.world.broker.fresh().map(|broker| &broker.evacuations);
        let told = matches!(told, Some(Reading::Fresh(_) | Reading::Off));
        told && node.is_ready() && node.is_member() && node.evacuation.is_none()
    }

    /// New nodes of a role that serve.
    pub(in crate::lifecycle) fn new_ones_serving(&self, role: Role) -> i32 {
        let serves = |node: &&Node| node.serves() && !self.is_outdated(node);
        i32::try_from(self.present(role).filter(serves).count()).unwrap_or(i32::MAX)
    }

    /// All new nodes of a role serve, and EMQX says so: they can take over.
    pub(in crate::lifecycle) fn is_complete(&self, role: Role) -> bool {
        self.world.broker.fresh().is_some() && self.new_ones_serving(role) >= self.wanted(role)
    }

    /// Pods that are there and are not on their way out.
    pub(in crate::lifecycle) fn present(&self, role: Role) -> impl Iterator<Item = &'a Node> {
        self.world.pool(role).nodes.iter().filter(|node| !node.is_terminating())
    }

    pub(in crate::lifecycle) fn outdated(&self, role: Role) -> impl Iterator<Item = &'a Node> + '_ {
        self.present(role).filter(|node| self.is_outdated(node))
    }

    /// Its set was told to have fewer pods than it has, and may delete this pod at any moment.
    pub(in crate::lifecycle) fn may_be_on_its_way(&self, node: &Node) -> bool {
        let Some(set) = self.world.pool(node.role).sets.iter().find(|set| set.name == node.set) else { return true };
        let present = self.present(node.role).filter(|other| other.set == set.name).count();
        let fewer = i32::try_from(present).is_ok_and(|present| present > set.wanted);
        fewer && node.ordinal().is_none_or(|number| node.role == Role::Replicant || number >= set.wanted)
    }

    /// What the nodes that were made from the wanted template of a role say of it.
    pub(in crate::lifecycle) fn verdicts(&self, role: Role) -> impl Iterator<Item = NodeVerdict> + '_ {
        self.present(role).filter(|node| !self.is_outdated(node)).map(Node::verdict)
    }

    /// Kubernetes does not make the pods of the wanted set.
    pub(in crate::lifecycle) fn is_refused(&self, role: Role) -> bool {
        self.target_set(role).is_some_and(|set| set.refusal.is_some())
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
            .filter(|_| in_sync(manifest, live, self.world.admission_drift.get(&manifest.id)))
    }

    /// Cores that are to restart in place.
    pub(in crate::lifecycle) fn outdated_in_target(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.outdated(Role::Core).filter(|core| self.is_target(Role::Core, &core.set))
    }
}
