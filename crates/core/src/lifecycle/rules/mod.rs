//! The rules. Each file has one public function `plan` and knows no other rule: what one did is seen by the others in the next
//! snapshot. Order of execution belongs to the actions, not to this list.

mod apart;
mod api_keys;
mod config;
mod cores;
mod durable_storage;
mod identity;
mod license;
mod locked_out;
mod lost_volumes;
mod objects;
mod old_core_sets;
mod one_removal;
mod ordinal_cleanup;
mod recreate_core_set;
mod references;
mod reopening;
mod replicants;
mod rollout;
mod template_edits;
mod upgrade;
mod volumes;

pub(crate) use api_keys::known as known_api_keys;

use super::facts::topology::Topology;
use super::part::Part;
use crate::desired::Desired;
use crate::world::{Rollout, World};

/// Rules about objects.
const RULES: &[fn(&Desired, &World) -> Part] = &[references::plan, identity::plan, locked_out::plan];

/// Rules about nodes, which share what is known about the sets.
const NODE_RULES: &[fn(&Topology<'_>) -> Part] = &[
    objects::plan,
    config::plan,
    api_keys::plan,
    cores::plan,
    recreate_core_set::plan,
    replicants::plan,
    one_removal::plan,
    reopening::plan,
    durable_storage::plan,
    ordinal_cleanup::plan,
    lost_volumes::plan,
    apart::plan,
    old_core_sets::plan,
    volumes::plan,
    template_edits::plan,
];

/// Those that run while no node is to be changed: what was closed is opened again.
const RULES_OF_REST: &[fn(&Topology<'_>) -> Part] = &[reopening::plan];

/// The revisions of the wanted templates.
pub(crate) struct Revisions {
    pub(crate) cores: String,
    pub(crate) replicants: Option<String>,
}

/// What all rules together want. Only the last one sees what the others wait for.
pub(crate) fn parts(desired: &Desired, world: &World) -> (Vec<Part>, Revisions, Option<Rollout>) {
    let topology = Topology::new(desired, world);
    let rules = if topology.keeps_nodes() { RULES_OF_REST } else { NODE_RULES };
    let mut parts: Vec<_> = rules.iter().map(|rule| rule(&topology)).collect();
    parts.push(license::plan(&topology));
    parts.push(upgrade::plan(&topology));
    parts.extend(RULES.iter().map(|rule| rule(desired, world)));
    let rollout = rollout::follow(&topology);
    let holds: Vec<_> = parts.iter().flat_map(|part| part.holds.clone()).collect();
    parts.push(rollout::plan(&topology, rollout.as_ref(), &holds));
    let replicants = topology.replicant_set.map(|set| set.revision);
    (parts, Revisions { cores: topology.core_set.revision, replicants }, rollout)
}
