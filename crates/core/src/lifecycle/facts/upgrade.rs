//! Whether the nodes may become of the release of EMQX that the spec wants: the step from their release to that one loses nothing, or
//! the user has consented to it.

use super::upgrade_paths::{Step, step};
use super::versions::{self, line};
use crate::desired::{Desired, Version, version_of_image};
use crate::world::{Kind, Node, Reading, Storage, World};

/// Whether the nodes may become what the spec says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) enum Upgrade {
    /// There is none, or it may be done.
    Goes,
    /// The step may be done; EMQX does not document what becomes of the cluster.
    Untold {
        step: String,
    },
    /// Whether durable state would be lost is not known yet.
    Asking {
        step: String,
    },
    Held {
        step: String,
        why: String,
    },
}

impl Upgrade {
    pub(in crate::lifecycle) fn is_held(&self) -> bool {
        matches!(self, Upgrade::Held { .. } | Upgrade::Asking { .. })
    }
}

pub(in crate::lifecycle) fn judge(desired: &Desired, world: &World) -> Upgrade {
    let changes = world.nodes().any(|node| node.image != desired.image.reference) || world.nodes().next().is_none();
    let judged = changes && desired.rolled_back.is_none() && !world.nodes().any(has_foreign_tag);
    let Some(to) = desired.image.version.filter(|_| judged) else { return Upgrade::Goes };
    let versions = running(world);
    let begun = versions.iter().any(|version| line(*version) == line(to));
    let Some(from) = versions.into_iter().min().filter(|_| !begun) else { return Upgrade::Goes };
    let name = format!("{}->{}", text(from), text(to));
    if desired.upgrade_consent.as_deref() == Some(&name) {
        return Upgrade::Goes;
    }
    let why = match step(from, to) {
        Step::Supported => return Upgrade::Goes,
        Step::Unknown => return Upgrade::Untold { step: name },
        Step::Unsupported(instead) => format!("EMQX does not support this step: {instead}"),
        Step::Backwards => {
            "EMQX does not support the way back to an earlier release, which may not read what the later one has written"
                .to_owned()
        }
        Step::LosesDurableState => match durable(world) {
            Durable::Unused => return Upgrade::Goes,
            Durable::Unknown if world.cores.ready() > 0 => return Upgrade::Asking { step: name },
            Durable::Unknown => {
                "EMQX 6 does not read the durable storage of EMQX 5, and no core answers whether there is any".to_owned()
            }
            Durable::Used(databases) => format!(
                "EMQX 6 does not read the durable storage of EMQX 5: the state of durable sessions and the messages that wait for \
                 them would be lost. In use: {databases}; the cluster has {} sessions in all",
                sessions(world)
            ),
        },
    };
    Upgrade::Held { step: name, why }
}

enum Durable {
    Unused,
    Unknown,
    /// The databases that are open.
    Used(String),
}

fn durable(world: &World) -> Durable {
    let storage = world.broker.fresh().map(|broker| &broker.storage);
    match storage {
        Some(Reading::Off) => Durable::Unused,
        Some(Reading::Fresh(Storage { databases, .. })) if databases.is_empty() => Durable::Unused,
        Some(Reading::Fresh(Storage { databases, .. })) => {
            Durable::Used(databases.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Some(Reading::Unavailable(_)) | None => Durable::Unknown,
    }
}

fn sessions(world: &World) -> i64 {
    let nodes = world.broker.fresh().into_iter().flat_map(|broker| broker.nodes.values());
    nodes.filter_map(|node| node.sessions).fold(0, i64::saturating_add)
}

/// Of the nodes that have ever served; of the sets, where no node is there.
fn running(world: &World) -> Vec<Version> {
    let nodes: Vec<_> = world
        .nodes()
        .filter(|node| node.state.has_served() && !node.is_terminating())
        .filter_map(versions::of_node)
        .collect();
    if !nodes.is_empty() {
        return nodes;
    }
    world.cores.sets.iter().filter_map(|set| versions::of_set(world, Kind::StatefulSet, set)).collect()
}

/// What EMQX says it is, and what the tag of its image says, are two things.
fn has_foreign_tag(node: &Node) -> bool {
    versions::told(node).zip(version_of_image(&node.image)).is_some_and(|(told, tag)| line(told) != line(tag))
}

fn text(version: Version) -> String {
    format!("{}.{}.{}", version.0, version.1, version.2)
}
