//! EMQX: members with sessions, evacuations that take time and survive restarts, shards that move one by one.

use emqx_operator_core::desired::{NodeName, Role};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Emqx {
    pub(crate) members: BTreeMap<NodeName, Member>,
    /// By id: the node that was last seen on it.
    pub(crate) sites: BTreeMap<String, NodeName>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) deaf: bool,
    /// Evacuations cannot be read, although nodes can.
    pub(crate) half_deaf: bool,
    /// A node that runs and that the others cannot reach: it is silently missing in every list.
    pub(crate) unlisted: Option<NodeName>,
    /// After some time it is listed as stopped.
    pub(crate) said_to_be_stopped: bool,
}

#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) replicas: BTreeSet<String>,
    pub(crate) target: BTreeSet<String>,
}

pub(crate) struct Member {
    pub(crate) role: Role,
    pub(crate) version: String,
    pub(crate) running: bool,
    /// All sessions, and those whose client is connected.
    pub(crate) sessions: u32,
    pub(crate) connected: u32,
    pub(crate) evacuation: Option<Evacuation>,
    /// An evacuation has brought sessions.
    pub(crate) was_given: bool,
}

pub(crate) struct Evacuation {
    pub(crate) phase: Phase,
    pub(crate) foreign: bool,
    pub(crate) targets: Vec<NodeName>,
    /// Sessions per second. Time has no measure here, so it changes only what EMQX reports.
    pub(crate) pace: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Waiting,
    Connections,
    Takeover,
    Sessions,
    Empty,
}

impl Member {
    /// Takes new clients.
    pub(crate) fn is_open(&self) -> bool {
        self.running && self.evacuation.as_ref().is_none_or(|evacuation| evacuation.phase == Phase::Waiting)
    }
}

impl Emqx {
    /// One tick of one evacuation.
    pub(crate) fn evacuate(&mut self, node: &NodeName, ready: &[NodeName]) {
        let Some(member) = self.members.get_mut(node).filter(|member| member.running) else { return };
        let (sessions, connected) = (member.sessions, member.connected);
        let Some(evacuation) = &mut member.evacuation else { return };
        match evacuation.phase {
            Phase::Waiting => evacuation.phase = Phase::Connections,
            Phase::Connections if connected > 0 => {
                // Clients come back where they are led to and take their sessions along, if there is an elsewhere.
                let others = self.open_but(node);
                if let Some(other) = others.iter().find(|other| ready.contains(other)) {
                    self.give(node, other, connected, connected);
                } else if let Some(member) = self.members.get_mut(node) {
                    member.connected = 0;
                }
            }
            Phase::Connections => evacuation.phase = Phase::Takeover,
            Phase::Takeover => evacuation.phase = Phase::Sessions,
            Phase::Sessions if sessions > 0 => {
                let (targets, foreign) = (evacuation.targets.clone(), evacuation.foreign);
                let open = self.open_but(node);
                let target =
                    if targets.is_empty() { open.first() } else { open.iter().find(|name| targets.contains(name)) };
                if let Some(target) = target.cloned() {
                    self.give(node, &target, sessions, 0);
                    if let Some(member) = self.members.get_mut(&target) {
                        member.was_given |= foreign;
                    }
                }
            }
            Phase::Sessions => evacuation.phase = Phase::Empty,
            Phase::Empty => {}
        }
    }

    pub(crate) fn open_but(&self, node: &NodeName) -> Vec<NodeName> {
        let open = self.members.iter().filter(|(name, member)| *name != node && member.is_open());
        open.map(|(name, _)| name.clone()).collect()
    }

    fn give(&mut self, from: &NodeName, to: &NodeName, sessions: u32, connected: u32) {
        if let Some(member) = self.members.get_mut(from) {
            member.sessions = member.sessions.saturating_sub(sessions);
            member.connected = 0;
        }
        if let Some(member) = self.members.get_mut(to) {
            member.sessions += sessions;
            member.connected += connected;
        }
    }

    /// One replica of one shard moves: replicas of nodes that have left the cluster go first, then new replicas join, then others
    /// leave. A copy needs a site that is up, and no replica leaves if the remaining replicas have no majority.
    pub(crate) fn move_shard(&mut self, number: usize, up: &BTreeSet<String>) {
        let Some(shard) = self.shards.get_mut(number) else { return };
        let lost = |site: &String| self.sites.get(site).is_none_or(|node| !self.members.contains_key(node));
        let gone = shard.replicas.difference(&shard.target).find(|site| lost(site)).cloned();
        if let Some(gone) = gone.filter(|_| shard.replicas.iter().any(|site| up.contains(site))) {
            shard.replicas.remove(&gone);
            return;
        }
        if let Some(joining) = shard.target.difference(&shard.replicas).find(|site| up.contains(*site)).cloned() {
            if shard.replicas.iter().any(|site| up.contains(site)) {
                shard.replicas.insert(joining);
            }
        } else if shard.target.is_subset(&shard.replicas)
            && let Some(leaving) = shard.replicas.difference(&shard.target).next().cloned()
        {
            let left = shard.replicas.iter().filter(|site| **site != leaving);
            let (all, alive) = (left.clone().count(), left.filter(|site| up.contains(*site)).count());
            if alive * 2 > all {
                shard.replicas.remove(&leaving);
            }
        }
    }
}
