//! Enough of the others serve. A node that does not serve itself, or is a cluster of its own, takes nothing away by going.
//!
//! *Why the fact is stable:* it is not, pods may break at any time; but then they break with or without us.

use crate::desired::Role;
use crate::lifecycle::facts::surge::max_unavailable;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Node, Reading};

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    if planted(Bug::SkipSurvivors) {
        return Verdict::Pass;
    }
    let topology = request.topology;
    let role = request.removal.role;
    // A replicant that is closed or hangs in its boot serves no client. A core in such a state still keeps data.
    let idle = |node: &Node| role == Role::Replicant && (node.evacuation.is_some() || node.hangs(topology.world.now));
    let serving = |node: &&Node| !node.is_down() && !idle(node) && topology.view_of_apart(node).is_none();
    let Some(me) = request.removal.node.filter(serving) else { return Verdict::Pass };
    let evacuations = topology.world.broker.fresh().map(|broker| &broker.evacuations);
    if matches!(evacuations, Some(Reading::Unavailable(_))) && !planted(Bug::UnknownIsOff) {
        let text = "stays, because EMQX cannot be asked which other nodes are being emptied";
        return Verdict::Hold(request.hold(Reason::RequestFailed, text));
    }
    // The smallest group of old replicants goes without replacement: otherwise no core could ever be replaced.
    let in_the_way = role == Role::Replicant && topology.group_in_the_way() == Some(me.image.as_str());
    // A node that is being evacuated, by the operator or a user, is about to stop serving. A restarted, open replicant counts as
    // serving; otherwise it and this node wait for each other.
    let back = |node: &Node| role == Role::Replicant && topology.is_open(node);
    let stays = |node: &&Node| {
        (!node.evacuating_by_us || in_the_way || back(node)) && node.evacuation.is_none() && node.pod != me.pod
    };
    // Where new nodes stand beside the old ones, all of them take over before the first old one goes.
    let takes_over = match role {
        Role::Core => !topology.is_target(role, &me.set) && !planted(Bug::DiscardEarly),
        Role::Replicant => {
            topology.is_blue_green()
                && topology.is_outdated(me)
                && !in_the_way
                && !topology.is_one_too_many(Some(&me.pod))
        }
    };
    // Only cores of the same StatefulSet count as replacements: cores of other sets may be of another version, and are going.
    let counts = |node: &Node| match role {
        Role::Core => topology.is_target(role, &node.set) || planted(Bug::DiscardEarly),
        Role::Replicant => true,
    };
    let serves = |node: &&Node| node.available && !node.is_cut_off() && stays(node) && counts(node);
    let serving = || i32::try_from(topology.present(role).filter(serves).count()).unwrap_or(i32::MAX);
    let serving = if takes_over { topology.new_ones_serving(role) } else { serving() };
    let needed = match role {
        _ if takes_over => topology.wanted(role),
        Role::Core if planted(Bug::OneMoreMissing) => topology.wanted(role).saturating_sub(2),
        Role::Core => topology.wanted(role).saturating_sub(1),
        Role::Replicant => topology.wanted(role).saturating_sub(max_unavailable(topology.desired)),
    };
    let needed = if in_the_way { needed.min(1) } else { needed };
    if serving >= needed {
        return Verdict::Pass;
    }
    let (which, noun) = (if takes_over { "new" } else { "other" }, role.as_str());
    let text = format!("stays until {needed} {which} {noun} nodes serve; {serving} do now");
    Verdict::Hold(request.hold(Reason::WaitingForSurvivors, text))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::scene::world;
    use crate::world::{EvacuationPhase, NodeState, Why};

    #[test]
    fn enough_others_serve() {
        let rows = [
            ("the others serve", world().cores(3).old("iot-core-2").recreate("iot-core-2", check), "passes"),
            (
                "another core is down",
                world().cores(3).state("iot-core-0", NodeState::Crashed { served: true }).recreate("iot-core-2", check),
                "stays until 2 other core nodes serve; 1 do now",
            ),
            (
                "it is down itself",
                world().cores(3).state("iot-core-0", NodeState::Crashed { served: true }).recreate("iot-core-0", check),
                "passes",
            ),
            (
                "a user evacuates another core",
                world()
                    .cores(3)
                    .evacuated("iot-core-0", EvacuationPhase::EvictingSessions)
                    .recreate("iot-core-2", check),
                "1 do now",
            ),
            (
                "the operator has begun with another core",
                world().cores(3).ours("iot-core-0").recreate("iot-core-2", check),
                "1 do now",
            ),
            (
                "EMQX lists another core as stopped",
                world().cores(3).stopped("iot-core-0").recreate("iot-core-2", check),
                "1 do now",
            ),
            (
                "EMQX does not tell of evacuations",
                world().cores(3).without_evacuations(Why::NoAnswer("timeout".to_owned())).recreate("iot-core-2", check),
                "cannot be asked which other nodes",
            ),
            (
                "EMQX does not answer at all: Kubernetes says who serves",
                world().cores(3).without_emqx(Why::NobodyToAsk).recreate("iot-core-2", check),
                "passes",
            ),
            ("the only core", world().cores(1).recreate("iot-core-0", check), "passes"),
            (
                "one replicant of three may be missing",
                world().cores(2).replicants(3).scale_in("new-0", check),
                "passes",
            ),
            (
                "one is missing already",
                world()
                    .cores(2)
                    .replicants(3)
                    .state("new-1", NodeState::Crashed { served: true })
                    .scale_in("new-0", check),
                "stays until 2 other replicant nodes serve; 1 do now",
            ),
            (
                "two may be missing",
                world()
                    .cores(2)
                    .replicants(3)
                    .max_unavailable(2)
                    .state("new-1", NodeState::Crashed { served: true })
                    .scale_in("new-0", check),
                "passes",
            ),
            (
                "a replicant that is closed serves nobody",
                world()
                    .cores(2)
                    .replicants(2)
                    .state("new-1", NodeState::Crashed { served: true })
                    .evacuated("new-0", EvacuationPhase::Empty)
                    .scale_in("new-0", check),
                "passes",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
