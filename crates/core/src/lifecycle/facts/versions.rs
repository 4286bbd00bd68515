//! Which release of EMQX a node is of, and those that a set would make.

use crate::desired::{Version, version_of_image, version_of_text};
use crate::world::{Kind, Node, NodeSet, World};

/// As EMQX tells it.
pub(crate) fn told(node: &Node) -> Option<Version> {
    version_of_text(node.broker.as_ref()?.version.as_deref()?)
}

/// As EMQX tells it; as the name of its image does, where EMQX cannot be asked.
pub(in crate::lifecycle) fn of_node(node: &Node) -> Option<Version> {
    told(node).or_else(|| version_of_image(&node.image))
}

/// Of the pods that a set makes, where it is to have any.
pub(in crate::lifecycle) fn of_set(world: &World, kind: Kind, set: &NodeSet) -> Option<Version> {
    let live = world.live(kind, &set.name).filter(|_| set.wanted > 0)?;
    version_of_image(live.emqx_container()?["image"].as_str()?)
}

/// Releases of one line differ in patches only.
pub(in crate::lifecycle) fn line(version: Version) -> (u16, u16) {
    (version.0, version.1)
}
