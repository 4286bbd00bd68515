//! Nodes that should go, one after the other: each is examined, and the first that may go goes.

use crate::action::Action;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::removal::admission::{Decision, examine};
use crate::lifecycle::removal::candidates;
use crate::lifecycle::removal::request::RemovalRequest;
use crate::lifecycle::{Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::Reason;

/// More holds of one kind tell nothing new.
const SHOWN: usize = 3;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    if let Some(core) = candidates::settling(topology) {
        let text = "has crashed again and again and is ready now; the other cores are replaced when it has not crashed for ten minutes";
        part.hold(Reason::WaitingForOtherNode, &core.pod, text, Wake::Poll(30));
    }
    let candidates = candidates::candidates(topology);
    let going: Vec<_> = candidates.iter().filter_map(|one| one.node).map(|node| node.pod.as_str()).collect();
    for candidate in candidates.iter().filter(|one| one.node.is_none_or(|node| !node.terminating)) {
        match examine(&RemovalRequest { topology, removal: candidate, going: &going }) {
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
