//! No node goes while a core is leaving or restarting. Replicants may go together, as many as may be missing or extra, and where
//! fewer are wanted they do not wait for a core that does not come up, or that goes for good.
//!
//! *Why the fact is stable:* nodes leave only by permits of the operator, and there is one per plan.

use crate::desired::Role;
use crate::lifecycle::facts::surge::{max_surge, max_unavailable};
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Node, NodeSet};

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    if planted(Bug::SkipOneAtATime) {
        return Verdict::Pass;
    }
    let (topology, world) = (request.topology, request.topology.world);
    let me = request.name();
    let begun = request.removal.node.is_some_and(|node| node.evacuating_by_us);
    // A surplus core that is down is ignored. Of two nodes whose evacuation has begun neither waits for the other: otherwise both
    // would wait.
    let scaled_in =
        request.removal.role == Role::Replicant && request.removal.node.is_some_and(|me| topology.is_scaled_in(me));
    let lost = |node: &Node| (node.is_down() || node.hangs(topology.world.now)) && !node.is_member();
    // A core that goes for good may wait for cores that do not come up before their template is corrected.
    let stuck = |node: &Node| {
        if scaled_in { lost(node) || topology.is_surplus(node) } else { lost(node) && topology.is_surplus(node) }
    };
    let leaves =
        |node: &&Node| node.pod != me && (node.is_terminating() || (node.evacuating_by_us && !begun && !stuck(node)));
    let leaving_core = world.cores.nodes.iter().find(leaves).map(|node| node.pod.as_str());
    let exists = |pod: &str| world.cores.nodes.iter().any(|node| node.pod == pod);
    // A pod refused by quota may need the capacity that this node frees.
    let awaited =
        |set: &&NodeSet| set.refusal.is_none() || !(scaled_in || (begun && request.removal.role == Role::Replicant));
    let evacuating = world.cores.sets.iter().filter(awaited).flat_map(|set| &set.evacuating).map(String::as_str);
    let restarting = evacuating.into_iter().find(|pod| *pod != me && !exists(pod));
    let together = max_unavailable(topology.desired).max(max_surge(topology.desired));
    let together = usize::try_from(together).unwrap_or(0).max(1);
    let leaving =
        world.replicants.nodes.iter().filter(|node| node.pod != me && node.evacuating_by_us && !topology.is_open(node));
    let closed = begun && !request.removal.node.is_some_and(|node| topology.is_open(node));
    if request.removal.role == Role::Replicant && !closed && leaving.clone().count() >= together {
        let pods: Vec<_> = leaving.map(|node| node.pod.as_str()).collect();
        return Verdict::Hold(request.hold(Reason::WaitingForOtherNode, format!("waits for {}", pods.join(", "))));
    }
    match leaving_core.or(restarting) {
        Some(other) => Verdict::Hold(request.hold(Reason::WaitingForOtherNode, format!("waits for {other}"))),
        None => Verdict::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::scene::world;
    use crate::world::{EvacuationPhase, NodeState};

    #[test]
    fn one_core_at_a_time() {
        let rows = [
            ("no other core is on its way", world().cores(3).recreate("iot-core-2", check), "passes"),
            (
                "another core ends",
                world()
                    .cores(3)
                    .state("iot-core-0", NodeState::Terminating { served: true })
                    .recreate("iot-core-2", check),
                "waits for iot-core-0",
            ),
            (
                "the operator has begun with another core",
                world().cores(3).ours("iot-core-0").recreate("iot-core-2", check),
                "waits for iot-core-0",
            ),
            (
                "of two that have begun, neither waits for the other",
                world().cores(3).ours("iot-core-0").ours("iot-core-2").recreate("iot-core-2", check),
                "passes",
            ),
            (
                "a replicant waits for a core that ends",
                world()
                    .cores(2)
                    .replicants(2)
                    .state("iot-core-0", NodeState::Terminating { served: true })
                    .scale_in("new-0", check),
                "waits for iot-core-0",
            ),
            (
                "one replicant is being evacuated",
                world()
                    .cores(2)
                    .replicants(3)
                    .ours("new-1")
                    .evacuated("new-1", EvacuationPhase::EvictingSessions)
                    .scale_in("new-0", check),
                "waits for new-1",
            ),
            (
                "two may be evacuated together",
                world()
                    .cores(2)
                    .replicants(3)
                    .max_unavailable(2)
                    .ours("new-1")
                    .evacuated("new-1", EvacuationPhase::EvictingSessions)
                    .scale_in("new-0", check),
                "passes",
            ),
            (
                "a replicant that has restarted is open again",
                world().cores(2).replicants(3).ours("new-1").scale_in("new-0", check),
                "passes",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
