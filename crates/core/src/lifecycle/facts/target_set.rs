//! Which set the cores are to live in. A rolling update keeps the set that there is; blue-green grows another beside it
//! when the template changes. All other core sets are emptied and discarded, whatever the strategy is by then.
//!
//! The answer holds still while it is carried out: once a set has the wanted template, it is that one.

use crate::desired::{Desired, digest};
use crate::world::{NodeSet, NodeVerdict, World};
use emqx_operator_api::hub::UpdateStrategyType;
use std::collections::BTreeMap;

/// The name of the set. `revision` is that of the wanted template.
pub(in crate::lifecycle) fn name(desired: &Desired, world: &World, revision: &str) -> String {
    let mut sets: Vec<_> = world.cores.sets.iter().collect();
    sets.sort_by_key(|set| (set.created, &set.name));
    // A set that has lost its last core has given away what it had.
    let Some(oldest) = sets.iter().find(|set| world.cores.is_used(set)).or(sets.first()) else {
        return with_volumes(desired, world).unwrap_or_else(|| desired.names.core_set());
    };
    let nobody_runs = sets.iter().all(|set| !runs(world, set));
    let wanted = || sets.iter().find(|set| set.revision.as_deref() == Some(revision));
    let in_place = match desired.update_strategy.strategy {
        // What the oldest set has may be nowhere else: its cores get the wanted template before anything else is done.
        _ if nobody_runs || has_failed(world, oldest) => Some(oldest),
        _ if wanted().is_some() => wanted(),
        // One that is in the middle of being rolled goes on, although the new template takes most of its cores down.
        UpdateStrategyType::RollingUpdate => {
            let half_rolled = sets.iter().find(|set| has_failed(world, set) && serving(world, set) > 0);
            half_rolled.or_else(|| sets.iter().rev().max_by_key(|set| serving(world, set)))
        }
        // Sets do not pile up: a set that does not come up gets the new template, and no third set is made.
        UpdateStrategyType::BlueGreen => {
            let mut used = sets.iter().filter(|set| set.wanted > 0);
            used.find(|set| has_failed(world, set) || !runs(world, set))
        }
    };
    in_place.map_or_else(|| beside(desired, &world.cores.sets, revision), |set| set.name.clone())
}

/// Its template does not work: a core that was made from it does not get ready, and not for lack of a place to run.
pub(in crate::lifecycle) fn has_failed(world: &World, set: &NodeSet) -> bool {
    world.cores.verdicts(set).any(NodeVerdict::is_fault_of_template)
}

/// Whether any of its cores is up. One that is closed, or not ready for a while, has what it had.
fn runs(world: &World, set: &NodeSet) -> bool {
    world.cores.of_set(&set.name).any(|node| !node.is_down() && !node.is_terminating())
}

fn serving(world: &World, set: &NodeSet) -> usize {
    world.cores.of_set(&set.name).filter(|node| node.is_ready()).count()
}

/// The set that volumes without a set belonged to; a user may have deleted the set and kept the data. Of several, the set that
/// had most volumes.
fn with_volumes(desired: &Desired, world: &World) -> Option<String> {
    let mut volumes: BTreeMap<&str, usize> = BTreeMap::new();
    for claim in world.claims.iter().filter(|claim| !claim.terminating) {
        *volumes.entry(&claim.set).or_default() += 1;
    }
    let ours = volumes
        .into_iter()
        .filter(|(set, _)| *set == desired.names.core_set() || desired.names.hash_of_core_set(set).is_some());
    // `NAME-core` comes first by name, and wins among equals.
    ours.rev().max_by_key(|(_, count)| *count).map(|(set, _)| set.to_owned())
}

/// A name that is free: an old set may have taken the hash before it was rolled to another template in place.
fn beside(desired: &Desired, sets: &[NodeSet], revision: &str) -> String {
    let mut hash = revision.to_owned();
    loop {
        let name = desired.names.core_set_beside(&hash);
        if !sets.iter().any(|set| set.name == name) {
            return name;
        }
        hash = digest(&name)[..10].to_owned();
    }
}
