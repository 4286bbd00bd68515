//! What was decided before has been carried out: the set has the pods that it was told to have, and no others. While it
//! has, who of them goes is not ours to say, and deciding again would take a second one.
//!
//! *Why the fact is stable:* only we change the number.

use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::candidate::How;
use crate::planted::{Bug, planted};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    if planted(Bug::SkipSettled) {
        return Verdict::Pass;
    }
    let fleet = case.fleet;
    let role = case.candidate.role;
    let own = match (&case.candidate.how, case.candidate.node) {
        (How::Shrink { set, .. }, _) => set.name.as_str(),
        (How::Restart, Some(node)) => node.set.as_str(),
        (How::Restart, None) => return Verdict::Pass,
    };
    // One core after the other, whichever set it is of.
    let concerned = fleet.world.pool(role).sets.iter().filter(|set| set.name == own || role == Role::Core);
    for set in concerned {
        let present = || fleet.present(role).filter(|node| node.set == set.name);
        // Where pods have numbers, one that is missing for a moment does not make up for one that is to go.
        let too_many = match role {
            Role::Core => present().any(|node| node.ordinal() >= Some(set.wanted)),
            Role::Replicant => i32::try_from(present().count()).is_ok_and(|present| present > set.wanted),
        };
        if too_many {
            let text = format!("waits until {} has {} pods; it has {}", set.name, set.wanted, present().count());
            return Verdict::Hold(case.hold(Reason::WaitingForOtherNode, text));
        }
    }
    Verdict::Pass
}
