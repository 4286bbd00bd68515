//! Sets and their nodes, as the operator sees them.

use emqx_operator_core::desired::Role;
use emqx_operator_core::world::{Node, NodeSet};
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
        ready: true,
        available: true,
        terminating: false,
        running: true,
        running_since: Some(start()),
        started: true,
        deletion_cost: 0,
        wait: None,
        unsteady: false,
        never_ready: false,
        marked: false,
        broker: None,
        evacuation: None,
    }
}

pub fn set(name: &str, wanted: i32) -> NodeSet {
    NodeSet {
        name: name.to_owned(),
        uid: name.to_owned(),
        resource_version: "1".to_owned(),
        created: start(),
        marked: Vec::new(),
        watermark: None,
        volume_sites: Default::default(),
        observed: true,
        revision: None,
        wanted,
        refusal: None,
    }
}
