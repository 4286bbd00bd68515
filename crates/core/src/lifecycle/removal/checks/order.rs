//! Cores are replaced before replicants. (A core that old replicants follow is no candidate before they are gone.) Where new
//! nodes stand beside the old nodes, no old node goes before the Service leads to the new nodes.
//!
//! *Why the fact is stable:* no set makes pods of an old template once it has the new template.

use crate::desired::Role;
use crate::lifecycle::facts::listeners::leads_to_new_ones;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::removal::how::How;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::NodeSet;

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    let topology = request.topology;
    let watched = |set: &str| topology.world.cores.sets.iter().filter(|one| one.name == set).all(NodeSet::is_watched);
    if let (Role::Core, How::ScaleIn { set, .. }) = (request.removal.role, &request.removal.how)
        && !watched(&set.name)
    {
        return Verdict::Hold(request.hold(Reason::RetiringCore, "its number is being written down first"));
    }
    let Some(node) = request.removal.node else { return unmade(request) };
    if topology.is_outdated(node)
        && node.evacuation.is_none()
        && !leads_to_new_ones(topology)
        && !planted(Bug::SkipSwitch)
    {
        let text = "waits until the listeners Service leads to the new nodes";
        return Verdict::Hold(request.hold(Reason::WaitingForOrder, text));
    }
    match request.removal.role {
        // What has begun is brought to an end: cores may be waiting for it.
        Role::Replicant if node.evacuating_by_us => Verdict::Pass,
        Role::Replicant if topology.group_in_the_way() == Some(node.image.as_str()) => Verdict::Pass,
        Role::Replicant if topology.is_outdated(node) && waits_for_cores(topology, Some(&node.pod)) => {
            Verdict::Hold(request.hold(Reason::WaitingForOrder, "waits for the cores, which are replaced first"))
        }
        Role::Core | Role::Replicant => Verdict::Pass,
    }
}

/// An old set may be making replicants that are wanted now.
fn unmade(request: &RemovalRequest<'_, '_>) -> Verdict {
    let topology = request.topology;
    let home = |set: &str| topology.is_target(Role::Replicant, set);
    match (request.removal.role, &request.removal.how) {
        (Role::Replicant, How::ScaleIn { set, .. })
            if !home(&set.name) && topology.keeps_old_replicants() && !topology.is_one_too_many(None) =>
        {
            Verdict::Hold(
                request.hold(
                    Reason::WaitingForOrder,
                    "has yet to make replicants that are wanted until new ones can start",
                ),
            )
        }
        _ => Verdict::Pass,
    }
}

fn waits_for_cores(topology: &Topology<'_>, pod: Option<&str>) -> bool {
    topology.wanted(Role::Replicant) > 0 && !topology.cores_lead() && !topology.is_one_too_many(pod)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::scene::world;

    #[test]
    fn cores_come_before_replicants() {
        let rows = [
            (
                "an ordinal that is not written down",
                world().cores(3).wants_cores(2).scale_in("iot-core-2", check),
                "RetiringCore: ",
            ),
            (
                "an ordinal that is",
                world().cores(3).wants_cores(2).watermark(3).scale_in("iot-core-2", check),
                "passes",
            ),
            ("an old core", world().cores(2).old("iot-core-1").recreate("iot-core-1", check), "passes"),
            (
                "old replicants while a core is old",
                world().cores(3).old("iot-core-1").old("iot-core-2").old_replicants(2).scale_in("old-0", check),
                "WaitingForOrder: ",
            ),
            (
                "the last old core is kept for them, and they go",
                world().cores(2).old("iot-core-1").old_replicants(2).scale_in("old-0", check),
                "passes",
            ),
            (
                "old replicants when all cores are new",
                world().cores(2).old_replicants(2).scale_in("old-0", check),
                "passes",
            ),
            (
                "a replicant with which the operator has begun",
                world()
                    .cores(3)
                    .old("iot-core-1")
                    .old("iot-core-2")
                    .old_replicants(2)
                    .ours("old-0")
                    .scale_in("old-0", check),
                "passes",
            ),
            (
                "more old replicants than the spec wants",
                world()
                    .cores(3)
                    .old("iot-core-1")
                    .old("iot-core-2")
                    .old_replicants(2)
                    .wants_replicants(1)
                    .scale_in("old-0", check),
                "passes",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
