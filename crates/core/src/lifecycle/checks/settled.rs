//! What was decided before has been carried out: the set has as many pods as it was told to have, and not more. While it
//! has, who of them goes is not ours to say, and deciding again would take a second one.
//!
//! *Why the fact is stable:* only we change the number.

use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::candidate::How;
use crate::planted::{Bug, planted};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    if planted(Bug::SkipSettled) {
        return Verdict::Pass;
    }
    let fleet = case.fleet;
    let set = match (&case.candidate.how, case.candidate.node) {
        (How::Shrink { set, .. }, _) => set.name.as_str(),
        (How::Restart, Some(node)) => node.set.as_str(),
        (How::Restart, None) => return Verdict::Pass,
    };
    let present = fleet.present(case.candidate.role).filter(|node| node.set == set).count();
    let told =
        fleet.world.pool(case.candidate.role).sets.iter().find(|other| other.name == set).map_or(0, |set| set.wanted);
    if i32::try_from(present).is_ok_and(|present| present > told) {
        let text = format!("waits until {set} has {told} pods; it has {present}");
        return Verdict::Hold(case.hold(Reason::WaitingForOtherNode, text));
    }
    Verdict::Pass
}
