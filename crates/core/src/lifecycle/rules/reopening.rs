//! A node that stays is open. A node that the operator closed, and that stays because it has restarted or the plan has changed, is
//! opened again; a node that a user closed is left alone and named. A node that comes back closed with the volume of a resource
//! that was deleted is opened: that resource is gone.

use crate::action::{Action, Call};
use crate::desired::Role;
use crate::lifecycle::evacuation_owner;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::removal::candidates;
use crate::lifecycle::{Hold, Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{EvacuationPhase, Node, NodeSet, rebalance_text};

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    if planted(Bug::NeverReopen) {
        return part;
    }
    let candidates = candidates::candidates(topology);
    let stays = |node: &&Node| {
        !node.is_terminating()
            && !topology.may_be_on_its_way(node)
            && !candidates.iter().any(|one| one.node.is_some_and(|other| other.pod == node.pod))
    };
    for node in topology.world.nodes().filter(stays) {
        match &node.evacuation {
            Some(evacuation)
                if ((node.evacuating_by_us || is_inherited(topology, node)) && !evacuation.is_rebalance())
                    || planted(Bug::StopForeign) =>
            {
                open(&mut part, node);
            }
            Some(evacuation) => {
                let text = match &evacuation.phase {
                    EvacuationPhase::Rebalancing { coordinator } => rebalance_text(coordinator),
                    _ => "is being emptied or is closed, and not by the operator; `emqx ctl rebalance stop` on it opens it"
                        .to_owned(),
                };
                let hold = Hold::new(Reason::ForeignEvacuation, node.pod.as_str(), text, Wake::Poll(10));
                part.holds.push(hold.not_ready(node.unready_since));
            }
            None if node.evacuating_by_us => forget(&mut part, topology, node),
            None => {}
        }
    }
    for set in &topology.world.cores.sets {
        let gone = |pod: &&str| {
            let number = pod.rsplit_once('-').and_then(|(_, number)| number.parse::<i32>().ok());
            let exists = topology.world.cores.nodes.iter().any(|node| node.pod == *pod);
            !exists && number.is_none_or(|number| number >= set.wanted)
        };
        let gone: Vec<_> = set.evacuating.iter().map(String::as_str).filter(gone).collect();
        if !gone.is_empty() {
            part.actions.push(evacuation_owner::drop_from(set, &gone));
        }
    }
    part
}

/// Its volume remembers that it was being emptied for a resource that was deleted, and is older than the set of this one: nobody
/// has asked for that since.
fn is_inherited(topology: &Topology<'_>, node: &Node) -> bool {
    let set = topology.world.cores.sets.iter().find(|set| node.role == Role::Core && set.name == node.set);
    let older = |set: &NodeSet| {
        let claim = topology.world.claims_of(&set.name).find(|claim| Some(claim.ordinal) == node.ordinal());
        claim.is_some_and(|claim| claim.created < set.created)
    };
    !node.state.has_served() && set.is_some_and(older)
}

fn open(part: &mut Part, node: &Node) {
    if let Some(name) = node.name.clone().filter(|_| node.is_member()) {
        part.actions.push(Action::Call(Call::StopEvacuation { node: name, anew: false }));
    }
    part.hold(Reason::Starting, node.pod.clone(), "is being opened for clients again", Wake::Poll(1));
}

/// Only a node that serves is known to be open: one that boots does not tell yet that it comes back closed.
fn forget(part: &mut Part, topology: &Topology<'_>, node: &Node) {
    if topology.is_open(node) || planted(Bug::ForgetMarkEarly) {
        part.actions.extend(evacuation_owner::end(topology.world, node));
    } else {
        part.hold(Reason::Starting, node.pod.clone(), "has restarted and is about to serve again", Wake::Poll(1));
    }
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::lifecycle::scene::world;
    use crate::world::{EvacuationPhase, NodeState, Why};

    #[test]
    fn a_node_that_stays_is_open() {
        let rows = [
            ("all are open", world().cores(3).rule(plan), "nothing"),
            (
                "the operator has closed it, and it stays",
                world().cores(3).ours("iot-core-2").evacuated("iot-core-2", EvacuationPhase::Empty).rule(plan),
                "stop evacuation of emqx@iot-core-2",
            ),
            (
                "it is to restart",
                world()
                    .cores(3)
                    .old("iot-core-2")
                    .ours("iot-core-2")
                    .evacuated("iot-core-2", EvacuationPhase::Empty)
                    .rule(plan),
                "nothing",
            ),
            (
                "a user has closed it",
                world().cores(3).evacuated("iot-core-2", EvacuationPhase::Empty).rule(plan),
                "ForeignEvacuation iot-core-2",
            ),
            (
                "it has restarted, and is open",
                world().cores(3).ours("iot-core-2").rule(plan),
                "annotate StatefulSet/iot-core",
            ),
            (
                "it has restarted, and boots",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .state("iot-core-2", NodeState::Booting { since: None, served: true })
                    .rule(plan),
                "has restarted",
            ),
            (
                "EMQX does not tell of evacuations",
                world().cores(3).ours("iot-core-2").without_evacuations(Why::NotAsked).rule(plan),
                "has restarted",
            ),
            (
                "it ends",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .evacuated("iot-core-2", EvacuationPhase::Empty)
                    .state("iot-core-2", NodeState::Terminating { served: true })
                    .rule(plan),
                "nothing",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
