//! How many nodes can live with the license of the spec. EMQX 5.9 and later makes clusters of more than one node with a license
//! only. The version in the name of the image, the license in the spec and what runs already tell.

use super::versions;
use crate::desired::{Desired, Version};
use crate::world::{Kind, Node, World};
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};

/// The first release that asks for one.
const SINCE: Version = (5, 9, 0);

const VARIABLE: &str = "EMQX_LICENSE__KEY";

/// The key that every EMQX has: it allows one node.
const ONE_NODE: &str = "default";

/// What can live without a license, or with the one of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) enum License {
    /// As many nodes as the spec wants, as far as the operator knows.
    Suffices,
    /// The nodes that there are, as they are.
    KeepsNodes,
    OneCore,
}

/// `beside` says that the cores are to live in a set that does not exist yet, beside another.
pub(in crate::lifecycle) fn judge(desired: &Desired, world: &World, beside: bool) -> License {
    let asks = desired.image.version.is_some_and(|version| version >= SINCE);
    let before = comes_from_before(world);
    // Those that are to go would meet the first that was changed.
    let several = desired.nodes_wanted() > 1 || beside || (before && has_several(world));
    if !asks || !several || is_licensed(desired) || is_cluster(world) {
        License::Suffices
    } else if beside || before {
        License::KeepsNodes
    } else if has_several(world) || has_left_several(world) {
        License::Suffices
    } else {
        License::OneCore
    }
}

/// The spec has one, or may have one in what the operator does not read.
fn is_licensed(desired: &Desired) -> bool {
    let mut templates = std::iter::once(&desired.cores).chain(&desired.replicants).map(|pool| &pool.template);
    desired.config.licensed
        || templates.any(|template| template.env.iter().any(brings_one) || template.env_from.iter().any(may_bring_one))
}

/// The variable of the key, or of the whole root.
fn brings_one(variable: &EnvVar) -> bool {
    let name = variable.name.to_ascii_uppercase();
    let key = variable.value.as_deref().map(|value| value.trim().trim_matches('"'));
    match key {
        _ if name != VARIABLE && name != "EMQX_LICENSE" => false,
        Some(key) => !key.is_empty() && key != ONE_NODE,
        None => variable.value_from.is_some(),
    }
}

fn may_bring_one(source: &EnvFromSource) -> bool {
    VARIABLE.starts_with(source.prefix.as_deref().unwrap_or_default())
}

/// A node of 5.9 or later lives in a cluster of several.
fn is_cluster(world: &World) -> bool {
    let lives = |node: &&Node| {
        versions::of_node(node).is_some_and(|version| version >= SINCE) && !node.never_ready && !node.unsteady
    };
    let new = || world.nodes().filter(lives);
    let members = world.nodes().filter(|node| node.is_member()).count();
    new().count() > 1 || (members > 1 && new().any(|node| node.is_member() && node.ready))
}

/// Nodes of an earlier version run, or would be made.
fn comes_from_before(world: &World) -> bool {
    let is_earlier = |version: Option<Version>| version.is_some_and(|version| version < SINCE);
    let cores = world.cores.sets.iter().map(|set| versions::of_set(world, Kind::StatefulSet, set));
    let replicants = world.replicants.sets.iter().map(|set| versions::of_set(world, Kind::ReplicaSet, set));
    world.nodes().map(versions::of_node).chain(cores).chain(replicants).any(is_earlier)
}

pub(in crate::lifecycle) fn has_several(world: &World) -> bool {
    let told = world.cores.told().saturating_add(world.replicants.told());
    told > 1 || world.nodes().count() > 1
}

/// Volumes of more than one core: EMQX may have a license on them.
fn has_left_several(world: &World) -> bool {
    world.claims.iter().filter(|claim| claim.may_hold_data && !claim.terminating).count() > 1
}
