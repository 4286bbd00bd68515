//! May this node go now? Every way in which a node leaves comes through here: the first objection wins, and only who
//! passes gets a [`Permit`], without which no node is removed.
//!
//! A permit rests on facts that stay true until we act. "No sessions right now" does not: clients connect in between.
//! "Closed to newcomers, and empty" does.

use super::Hold;
use super::candidate::{Candidate, How};
use super::checks::{BROKER, LOCAL, settled};
use super::fleet::Fleet;
use super::locked_out;
use crate::action::{Action, Version};
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, Node, Reading, Why};
use serde::Serialize;
use std::fmt;

/// The right to remove one node, the one that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permit {
    pod: Option<(String, Version)>,
    how: How,
    generation: i64,
    disconnects: i64,
}

impl Permit {
    /// The pod and the state in which it was examined; `None` if the set has not made it.
    pub fn pod(&self) -> Option<(&str, &Version)> {
        self.pod.as_ref().map(|(pod, version)| (pod.as_str(), version))
    }

    pub fn how(&self) -> &How {
        &self.how
    }

    /// The generation of the spec it was given for.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Clients that are cut off, because they cannot be moved or shall not be.
    pub fn disconnects(&self) -> i64 {
        self.disconnects
    }
}

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_ref().map_or("a pod not yet made", |(pod, _)| pod.as_str());
        match &self.how {
            How::Restart => write!(f, "restart {pod}"),
            How::Shrink { set, from, to } => write!(f, "remove {pod}, scaling {set} from {from} to {to}"),
        }
    }
}

/// A candidate under examination.
pub(super) struct Case<'c, 'a> {
    pub(super) fleet: &'c Fleet<'a>,
    pub(super) candidate: &'c Candidate<'a>,
    /// Pods of all candidates: none of them is a place to move to.
    pub(super) going: &'c [&'a str],
}

/// What a check says.
pub(super) enum Verdict {
    Pass,
    /// Not now.
    Hold(Hold),
    /// Not before this was done.
    Prepare(Vec<Action>, Hold),
}

/// What became of the examination.
pub(super) enum Decision {
    Granted(Permit),
    Refused(Hold),
    Prepare(Vec<Action>, Hold),
}

pub(super) fn examine(case: &Case<'_, '_>) -> Decision {
    // What never served, or does not run, loses nobody anything by starting again, whatever EMQX says. It waits
    // for those that are ending, which end by themselves, and for nothing that may in turn wait for it.
    let emptied = case.fleet.world.nodes().any(|node| node.evacuation.is_some() && !node.marked);
    let has_nothing = |node: &Node| {
        let sessions = node.broker.as_ref().filter(|member| member.running).and_then(|member| member.sessions);
        // To one that runs somebody's evacuation may bring sessions at any moment; ours lead to nodes that serve.
        let empty = sessions.is_none_or(|sessions| sessions == 0 && !emptied);
        node.is_down() && (!node.running || empty)
    };
    if case.candidate.how == How::Restart && case.candidate.node.is_some_and(has_nothing) {
        return match terminating(case) {
            Some(hold) => Decision::Refused(hold),
            None => Decision::Granted(permit(case)),
        };
    }
    for check in LOCAL {
        match check(case) {
            Verdict::Pass => {}
            Verdict::Hold(hold) => return Decision::Refused(hold),
            Verdict::Prepare(actions, hold) => return Decision::Prepare(actions, hold),
        }
    }
    let broker = match &case.fleet.world.broker {
        Reading::Fresh(broker) => broker,
        Reading::Off | Reading::Unavailable(_) if planted(Bug::BlindRemoval) => return Decision::Granted(permit(case)),
        Reading::Unavailable(Why::LockedOut { .. }) if lets_in(case) => return Decision::Granted(permit(case)),
        Reading::Off | Reading::Unavailable(_) => return Decision::Refused(blind(case)),
    };
    for check in BROKER {
        match check(case, broker) {
            Verdict::Pass => {}
            Verdict::Hold(hold) => return Decision::Refused(hold),
            Verdict::Prepare(actions, hold) => return Decision::Prepare(actions, hold),
        }
    }
    Decision::Granted(permit(case))
}

/// One core after the other, also among those that do not serve; one that never did counts for nothing.
fn terminating(case: &Case<'_, '_>) -> Option<Hold> {
    let me = case.candidate.node.filter(|node| !node.never_ready)?;
    let mut others = case.fleet.world.cores.nodes.iter().filter(|node| node.terminating && node.pod != me.pod);
    let Some(other) = others.next() else {
        return match settled(case) {
            Verdict::Hold(hold) => Some(hold),
            Verdict::Pass | Verdict::Prepare(..) => None,
        };
    };
    Some(case.hold(Reason::WaitingForOtherNode, format!("waits for {} to end", other.pod)))
}

/// A spec that was corrected has to reach one core, or EMQX would refuse the operator for good: cores read the key when they
/// start, and what one has read all nodes know. It goes without being emptied, since EMQX empties nothing for a key that it
/// refuses; a second one does not go like this, whether or not the first was let in.
fn lets_in(case: &Case<'_, '_>) -> bool {
    let (fleet, candidate) = (case.fleet, case.candidate);
    let has_new = fleet.present(Role::Core).any(|core| !fleet.is_outdated(core));
    let is_old_core = candidate.role == Role::Core && candidate.how == How::Restart;
    is_old_core && !has_new && locked_out::is_for_good(fleet.desired, fleet.world)
}

/// One place says what happens when EMQX does not answer: nothing.
fn blind(case: &Case<'_, '_>) -> Hold {
    let (reason, why) = match &case.fleet.world.broker {
        Reading::Unavailable(Why::NoAnswer(text)) => (Reason::RequestFailed, text.as_str()),
        // What to do about that is told once, by the rule about it.
        Reading::Unavailable(Why::LockedOut { text, .. }) => (Reason::NoRequester, text.as_str()),
        _ => (Reason::NoRequester, "no core pod is ready to be asked"),
    };
    case.hold(reason, format!("stays, because EMQX cannot be asked about its sessions: {why}"))
}

fn permit(case: &Case<'_, '_>) -> Permit {
    let node = case.candidate.node;
    let version = |node: &Node| Version { uid: node.uid.clone(), resource_version: node.resource_version.clone() };
    Permit {
        pod: node.map(|node| (node.pod.clone(), version(node))),
        how: case.candidate.how.clone(),
        generation: case.fleet.desired.generation,
        disconnects: node.and_then(|node| node.broker.as_ref()?.connections).unwrap_or(0),
    }
}

impl Case<'_, '_> {
    pub(super) fn name(&self) -> String {
        self.candidate.node.map_or_else(
            || match &self.candidate.how {
                How::Shrink { set, .. } => set.name.clone(),
                How::Restart => String::new(),
            },
            |node| node.pod.clone(),
        )
    }

    /// Asked again every few seconds: what objects to a removal is seldom told by Kubernetes.
    pub(super) fn hold(&self, reason: Reason, detail: impl AsRef<str>) -> Hold {
        Hold::new(reason, self.name(), detail, super::Wake::Poll(2))
    }
}

/// Looks at what Kubernetes tells.
pub(super) type LocalCheck = fn(&Case<'_, '_>) -> Verdict;
/// Looks at what EMQX tells; it is not asked while EMQX does not answer, so none has to say what that means.
pub(super) type BrokerCheck = fn(&Case<'_, '_>, &Broker) -> Verdict;
