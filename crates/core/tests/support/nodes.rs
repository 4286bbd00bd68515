//! Sets and their nodes, as the operator sees them.

use emqx_operator_core::desired::Role;
use emqx_operator_core::world::{Membership, Node, NodeSet, NodeState, Pool, World};
use jiff::Timestamp;

pub fn start() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("a time")
}

/// It serves.
pub fn node(role: Role, set: &str, pod: &str, image: &str, revision: &str) -> Node {
    Node {
        role,
        pod: pod.to_owned(),
        uid: format!("uid of {pod}"),
        resource_version: "1".to_owned(),
        ip: None,
        dashboard: None,
        name: None,
        set: set.to_owned(),
        revision: Some(revision.to_owned()),
        startup_revision: None,
        created: start(),
        image: image.to_owned(),
        unready_since: None,
        state: NodeState::Ready,
        available: true,
        running_since: Some(start()),
        deletion_cost: 0,
        issue: None,
        unsteady: false,
        evacuating_by_us: false,
        membership: Membership::Unknown,
        broker: None,
        evacuation: None,
    }
}

/// Pools whose nodes and sets a test has put in by hand, joined with each other and with what EMQX says, as the operator does it.
#[allow(dead_code, reason = "shared by tests that need it and tests that do not")]
pub fn joined(world: &mut World) {
    let World { cores, replicants, broker, .. } = world;
    for pool in [cores, replicants] {
        let Pool { sets, mut nodes } = std::mem::take(pool);
        nodes.iter_mut().for_each(|node| node.join(broker));
        *pool = Pool::new(sets, nodes);
    }
}

pub fn set(name: &str, wanted: i32) -> NodeSet {
    NodeSet {
        name: name.to_owned(),
        uid: name.to_owned(),
        resource_version: "1".to_owned(),
        created: start(),
        evacuating: Vec::new(),
        watermark: None,
        volume_sites: Default::default(),
        observed: true,
        revision: None,
        wanted,
        refusal: None,
    }
}
