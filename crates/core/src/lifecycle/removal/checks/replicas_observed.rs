//! What was decided before has been carried out: the set has the pods that it was told to have, and no others. While it
//! has, who of them goes is not ours to say, and deciding again would take a second one.
//!
//! *Why the fact is stable:* only we change the number.

use crate::desired::Role;
use crate::lifecycle::removal::how::How;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    if planted(Bug::SkipSettled) {
        return Verdict::Pass;
    }
    let topology = request.topology;
    let role = request.removal.role;
    let own = match (&request.removal.how, request.removal.node) {
        (How::ScaleIn { set, .. }, _) => set.name.as_str(),
        (How::Recreate, Some(node)) => node.set.as_str(),
        (How::Recreate, None) => return Verdict::Pass,
    };
    // One core after the other, whichever set it is of.
    let concerned = topology.world.pool(role).sets.iter().filter(|set| set.name == own || role == Role::Core);
    for set in concerned {
        let present = || topology.present(role).filter(|node| node.set == set.name);
        // Pods of cores have numbers: a core that is missing for a moment is not the core that the set has yet to delete.
        let too_many = match role {
            Role::Core => present().any(|node| node.ordinal() >= Some(set.wanted)),
            Role::Replicant => i32::try_from(present().count()).is_ok_and(|present| present > set.wanted),
        };
        if too_many {
            let text = format!("waits until {} has {} pods; it has {}", set.name, set.wanted, present().count());
            return Verdict::Hold(request.hold(Reason::WaitingForOtherNode, text));
        }
    }
    Verdict::Pass
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::scene::world;

    #[test]
    fn what_was_decided_before_is_carried_out_first() {
        let rows = [
            ("the set has its pods", world().cores(3).recreate("iot-core-2", check), "passes"),
            (
                "the set has yet to shrink",
                world().cores(3).told_cores(2).recreate("iot-core-0", check),
                "waits until iot-core has 2 pods; it has 3",
            ),
            (
                "replicants do not wait for cores",
                world().cores(3).told_cores(2).replicants(2).scale_in("new-0", check),
                "passes",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
