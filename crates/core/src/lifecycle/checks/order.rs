//! Cores are replaced before replicants. (A core that old replicants follow is no candidate before they are gone.) Where new
//! nodes stand beside the old ones, nobody goes before the Service leads to the new ones.
//!
//! *Why the fact is stable:* pods of an old template are made by nobody once the set has the new one.

use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::candidate::How;
use crate::lifecycle::fleet::Fleet;
use crate::lifecycle::retirement;
use crate::lifecycle::serving::leads_to_new_ones;
use crate::planted::{Bug, planted};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    let fleet = case.fleet;
    let watched = |set: &str| fleet.world.cores.sets.iter().filter(|one| one.name == set).all(retirement::is_watched);
    if let (Role::Core, How::Shrink { set, .. }) = (case.candidate.role, &case.candidate.how)
        && !watched(&set.name)
    {
        return Verdict::Hold(case.hold(Reason::RetiringCore, "its number is being written down first"));
    }
    let Some(node) = case.candidate.node else { return unmade(case) };
    if fleet.is_outdated(node) && node.evacuation.is_none() && !leads_to_new_ones(fleet) && !planted(Bug::SkipSwitch) {
        let text = "waits until the listeners Service leads to the new nodes";
        return Verdict::Hold(case.hold(Reason::WaitingForOrder, text));
    }
    match case.candidate.role {
        // What has begun is brought to an end: cores may be waiting for it.
        Role::Replicant if node.marked => Verdict::Pass,
        Role::Replicant if fleet.group_in_the_way() == Some(node.image.as_str()) => Verdict::Pass,
        Role::Replicant if fleet.is_outdated(node) && waits_for_cores(fleet, Some(&node.pod)) => {
            Verdict::Hold(case.hold(Reason::WaitingForOrder, "waits for the cores, which are replaced first"))
        }
        Role::Core | Role::Replicant => Verdict::Pass,
    }
}

/// An old set may be making replicants that are wanted now.
fn unmade(case: &Case<'_, '_>) -> Verdict {
    let fleet = case.fleet;
    let home = |set: &str| fleet.is_home(Role::Replicant, set);
    match (case.candidate.role, &case.candidate.how) {
        (Role::Replicant, How::Shrink { set, .. })
            if !home(&set.name) && fleet.keeps_old_replicants() && !fleet.is_one_too_many(None) =>
        {
            Verdict::Hold(
                case.hold(
                    Reason::WaitingForOrder,
                    "has yet to make replicants that are wanted until new ones can start",
                ),
            )
        }
        _ => Verdict::Pass,
    }
}

fn waits_for_cores(fleet: &Fleet<'_>, pod: Option<&str>) -> bool {
    fleet.wanted(Role::Replicant) > 0 && !fleet.cores_lead() && !fleet.is_one_too_many(pod)
}
