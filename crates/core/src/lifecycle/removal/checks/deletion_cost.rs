//! A set that shrinks takes the node that was examined, and no other. A StatefulSet takes the highest number; a ReplicaSet
//! takes whom its own order puts first, so the node is put first, alone, before the set shrinks.
//!
//! *Why the fact is stable:* another pod comes before it only by breaking, and then serves no client any more.

use crate::desired::Role;
use crate::lifecycle::evacuation_owner;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, Node, NodeState};

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>, _: &Broker) -> Verdict {
    if planted(Bug::SkipChosen) {
        return Verdict::Pass;
    }
    let Some(me) = request.removal.node.filter(|node| node.role == Role::Replicant) else { return Verdict::Pass };
    let others =
        || request.topology.present(Role::Replicant).filter(|other| other.set == me.set && other.pod != me.pod);
    // It may be ready for a while after it was closed; a rival that is closed may stop being so at any moment.
    let mine = (me.state != NodeState::Pending, me.is_ready());
    let theirs = |other: &Node| (other.deletion_rank().0, other.deletion_rank().1);
    let before = others().filter(|other| theirs(other) < mine && !is_drained(other));
    if let Some(rival) = before.min_by_key(|other| other.deletion_rank()) {
        let text = format!("waits for {}, which its set would take first", rival.pod);
        return Verdict::Hold(request.hold(Reason::WaitingForOtherNode, text));
    }
    // Whoever has closed it may open it again, so not being ready is not enough.
    let cheaper = others().filter(|other| other.deletion_cost <= me.deletion_cost);
    match cheaper.min_by_key(|other| other.deletion_cost) {
        Some(rival) => {
            let hold = request.hold(Reason::WaitingForOtherNode, "is next to go");
            Verdict::Prepare(vec![evacuation_owner::choose(me, rival)], hold)
        }
        None => Verdict::Pass,
    }
}

/// Nobody loses anything when the set takes it first.
fn is_drained(node: &Node) -> bool {
    let (Some(evacuation), Some(member)) = (&node.evacuation, &node.broker) else { return false };
    evacuation.is_done(member)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
    use crate::lifecycle::scene::world;
    use crate::world::NodeState;

    fn said(request: &RemovalRequest<'_, '_>) -> Verdict {
        check(request, request.topology.world.broker.fresh().expect("EMQX answers"))
    }

    #[test]
    fn the_set_takes_the_pod_that_was_examined() {
        let rows = [
            ("a core has a number", world().cores(2).scale_in("iot-core-1", said), "passes"),
            ("its set may take the other one", world().cores(2).replicants(2).scale_in("new-1", said), "Pod/new-1"),
            (
                "its set takes it first",
                world().cores(2).replicants(2).cost("new-1", -2000).scale_in("new-1", said),
                "passes",
            ),
            (
                "another one is as cheap",
                world().cores(2).replicants(2).cost("new-0", -2000).cost("new-1", -2000).scale_in("new-1", said),
                "Pod/new-1",
            ),
            (
                "another one is not ready, and comes first",
                world()
                    .cores(2)
                    .replicants(2)
                    .state("new-0", NodeState::Unready)
                    .cost("new-1", -2000)
                    .scale_in("new-1", said),
                "waits for new-0",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
