//! Where the sessions of a node go.

use crate::desired::{NodeName, Role};
use crate::lifecycle::facts::topology::Topology;
use crate::planted::{Bug, planted};
use crate::world::{BrokerNode, Node};

/// Where the sessions of a node go: to those that stay, so that a session moves once, and rather to replicants than to
/// cores. Those of a replicant that is one too many go to the others.
pub(super) fn recipients(topology: &Topology<'_>, leaving: &Node, candidates: &[&str]) -> Vec<NodeName> {
    let takes_sessions = |node: &Node| node.broker.as_ref().is_some_and(BrokerNode::evacuates);
    let open = |node: &&Node| {
        node.pod != leaving.pod && node.is_ready() && node.is_member() && node.is_unclosed() && takes_sessions(node)
    };
    let home = |node: &Node| topology.is_target(node.role, &node.set) || planted(Bug::MoveToOld);
    let stays = |node: &&Node| !candidates.contains(&node.pod.as_str()) && home(node);
    let replicants = || topology.present(Role::Replicant).filter(open);
    let cores = || topology.present(Role::Core).filter(open);
    let too_many = leaving.role == Role::Replicant
        && topology.wanted(Role::Replicant) > 0
        && topology.is_one_too_many(Some(&leaving.pod));
    let choices: [Vec<&Node>; 5] = [
        replicants().filter(stays).collect(),
        replicants().filter(|_| too_many).collect(),
        cores().filter(stays).collect(),
        replicants().collect(),
        cores().collect(),
    ];
    let best = choices.into_iter().find(|nodes| !nodes.is_empty()).unwrap_or_default();
    best.into_iter().filter_map(|node| node.name.clone()).collect()
}
