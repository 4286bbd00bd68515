//! All nodes of one role, and the sets that own their pods.

use super::node::{Node, Wait};
use super::storage::VolumeSite;
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
    pub marked: Vec<String>,
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
    pub refusal: Option<Wait>,
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
    /// The nodes whose pods belong to this set.
    pub fn of_set<'a>(&'a self, set: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.set == set)
    }

    pub fn ready(&self) -> i32 {
        self.count(|node| node.ready && !node.terminating)
    }

    pub fn available(&self) -> i32 {
        self.count(|node| node.available && !node.terminating)
    }

    /// Nodes whose pod was made from this revision.
    pub fn of_revision(&self, revision: &str) -> i32 {
        self.count(|node| node.revision.as_deref() == Some(revision) && !node.terminating)
    }

    /// Nodes that the EMQX cluster lists as running.
    pub fn members(&self) -> i32 {
        self.count(|node| node.broker.as_ref().is_some_and(|broker| broker.running))
    }

    pub fn existing(&self) -> i32 {
        self.count(|node| !node.terminating)
    }

    /// Pods that all sets together are told to have.
    pub fn told(&self) -> i32 {
        total(self.sets.iter())
    }

    fn count(&self, holds: impl Fn(&Node) -> bool) -> i32 {
        i32::try_from(self.nodes.iter().filter(|node| holds(node)).count()).unwrap_or(i32::MAX)
    }
}
