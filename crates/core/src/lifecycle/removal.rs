//! Nodes that should go, one after the other: each is examined, and the first that may go goes.

use super::admission::{Case, Decision, examine};
use super::fleet::Fleet;
use super::rolling;
use super::{Part, Wake};
use crate::action::Action;
use crate::planted::{Bug, planted};
use crate::reason::Reason;

/// More holds of one kind tell nothing new.
const SHOWN: usize = 3;

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let mut part = Part::default();
    if let Some(core) = rolling::settling(fleet) {
        let text = "has crashed again and again and is ready now; the other cores are replaced when it has not crashed for ten minutes";
        part.hold(Reason::WaitingForOtherNode, &core.pod, text, Wake::Poll(30));
    }
    let candidates = rolling::candidates(fleet);
    let going: Vec<_> = candidates.iter().filter_map(|one| one.node).map(|node| node.pod.as_str()).collect();
    for candidate in candidates.iter().filter(|one| one.node.is_none_or(|node| !node.terminating)) {
        match examine(&Case { fleet, candidate, going: &going }) {
            Decision::Granted(permit) => {
                part.actions.push(Action::Remove(permit));
                if !planted(Bug::TwoRemovals) {
                    break;
                }
            }
            Decision::Prepare(actions, hold) => {
                part.actions.extend(actions);
                part.holds.push(hold);
                break;
            }
            Decision::Refused(hold) if part.holds.len() < SHOWN => part.holds.push(hold),
            Decision::Refused(_) => {}
        }
    }
    part
}
