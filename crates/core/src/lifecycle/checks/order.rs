//! Cores are replaced before replicants, but the last old core only after the replicants that follow it: a replicant
//! attaches to cores of its own version only, and without one it hangs.
//!
//! *Why the fact is stable:* pods of an old template are made by nobody once the set has the new one.

use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::candidate::How;
use crate::lifecycle::retirement;
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    let fleet = case.fleet;
    let Some(node) = case.candidate.node else { return Verdict::Pass };
    match case.candidate.role {
        Role::Core if case.candidate.how == How::Restart => {
            let last = fleet.outdated(Role::Core).all(|other| other.pod == node.pod);
            let followers: Vec<_> = fleet.outdated(Role::Replicant).map(|node| node.pod.as_str()).collect();
            if last && !followers.is_empty() {
                let text = format!("is kept while {} replicants follow its template", followers.len());
                return Verdict::Hold(case.hold(Reason::WaitingForOrder, text));
            }
            Verdict::Pass
        }
        Role::Core if !fleet.world.cores.sets.iter().filter(|set| set.name == node.set).all(retirement::is_watched) => {
            Verdict::Hold(case.hold(Reason::RetiringCore, "its number is being written down first"))
        }
        Role::Replicant if fleet.wanted(Role::Replicant) > 0 && fleet.is_outdated(node) && !fleet.cores_lead() => {
            Verdict::Hold(case.hold(Reason::WaitingForOrder, "waits for the cores, which are replaced first"))
        }
        Role::Core | Role::Replicant => Verdict::Pass,
    }
}
