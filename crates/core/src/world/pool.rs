//! All nodes of one role, and the sets that own their pods.

use super::node::{Node, PodIssue};
use super::node_state::NodeVerdict;
use super::storage::VolumeSite;
use crate::desired::Role;
use crate::planted::{Bug, planted};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// All nodes of one role.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pool {
    /// Sorted by name.
    pub sets: Vec<NodeSet>,
    /// Sorted by ordinal for cores, by name for replicants.
    pub nodes: Vec<Node>,
}

/// A StatefulSet or ReplicaSet.
#[derive(Clone, Debug, Serialize)]
pub struct NodeSet {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub created: Timestamp,
    /// The cores that the operator has begun to empty, as the set remembers them.
    pub evacuating: Vec<String>,
    /// Numbers from `wanted` up to this one have been in use and are not free yet.
    pub watermark: Option<i32>,
    /// By pod: where its durable storage was when it last served.
    pub volume_sites: BTreeMap<String, VolumeSite>,
    /// The template revision that new pods of the set are made from.
    pub revision: Option<String>,
    /// Pods that the set is told to have.
    pub wanted: i32,
    /// Its controller has seen that number.
    pub observed: bool,
    /// What keeps the set from making its pods.
    pub refusal: Option<PodIssue>,
}

impl NodeSet {
    /// The highest number that has been in use and is not free yet.
    pub fn retired(&self) -> Option<i32> {
        self.watermark.filter(|mark| *mark > self.wanted).map(|mark| mark.saturating_sub(1))
    }

    /// Whether a number may be taken away: it has been written down.
    pub fn is_watched(&self) -> bool {
        self.watermark.is_some_and(|mark| mark >= self.wanted) || planted(Bug::NoWatermark)
    }

    /// Whether the set may grow: nothing of what was there before is left.
    pub fn may_grow(&self) -> bool {
        self.retired().is_none() || planted(Bug::ReuseNumberEarly)
    }
}

/// `spec.replicas` of these sets together. Users can set it to any number.
pub(crate) fn total<'a>(sets: impl Iterator<Item = &'a NodeSet>) -> i32 {
    sets.fold(0, |sum, set| sum.saturating_add(set.wanted))
}

impl Pool {
    /// The cores among the nodes learn from their sets whether the operator is emptying them.
    pub fn new(sets: Vec<NodeSet>, mut nodes: Vec<Node>) -> Pool {
        for node in nodes.iter_mut().filter(|node| node.role == Role::Core) {
            node.evacuating_by_us |= sets.iter().any(|set| set.evacuating.contains(&node.pod));
        }
        Pool { sets, nodes }
    }

    /// The nodes whose pods belong to this set.
    pub fn of_set<'a>(&'a self, set: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.set == set)
    }

    /// The set has cores, or is told to make some.
    pub fn is_used(&self, set: &NodeSet) -> bool {
        set.wanted > 0 || self.of_set(&set.name).next().is_some()
    }

    /// What the nodes that the template of this set has made say of it.
    pub fn verdicts<'a>(&'a self, set: &'a NodeSet) -> impl Iterator<Item = NodeVerdict> + 'a {
        self.of_set(&set.name).filter(|node| node.revision == set.revision).map(Node::verdict)
    }

    pub fn ready(&self) -> i32 {
        self.count(|node| node.is_ready())
    }

    pub fn available(&self) -> i32 {
        self.count(|node| node.available && !node.is_terminating())
    }

    /// Nodes whose pod was made from this revision.
    pub fn of_revision(&self, revision: &str) -> i32 {
        self.count(|node| node.revision.as_deref() == Some(revision) && !node.is_terminating())
    }

    /// Nodes that the EMQX cluster lists as running.
    pub fn members(&self) -> i32 {
        self.count(Node::is_member)
    }

    pub fn existing(&self) -> i32 {
        self.count(|node| !node.is_terminating())
    }

    /// Pods that all sets together are told to have.
    pub fn spec_replicas(&self) -> i32 {
        total(self.sets.iter())
    }

    fn count(&self, holds: impl Fn(&Node) -> bool) -> i32 {
        i32::try_from(self.nodes.iter().filter(|node| holds(node)).count()).unwrap_or(i32::MAX)
    }
}
