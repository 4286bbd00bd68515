//! A set that shrinks takes the node that was examined, and no other. A StatefulSet takes the highest number; a ReplicaSet
//! takes whom its own order puts first, so the node is put first, alone, before the set shrinks.
//!
//! *Why the fact is stable:* others come before it only by breaking, and then they serve nobody any more.

use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::marks;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, Node};

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>, _: &Broker) -> Verdict {
    if planted(Bug::SkipChosen) {
        return Verdict::Pass;
    }
    let Some(me) = case.candidate.node.filter(|node| node.role == Role::Replicant) else { return Verdict::Pass };
    let others = case.fleet.present(Role::Replicant).filter(|other| other.set == me.set && other.pod != me.pod);
    let Some(rival) =
        others.filter(|other| other.victim_rank() <= me.victim_rank()).min_by_key(|other| other.victim_rank())
    else {
        return Verdict::Pass;
    };
    let state = |node: &Node| (node.victim_rank().0, node.victim_rank().1);
    if state(me) <= state(rival) {
        let hold = case.hold(Reason::WaitingForOtherNode, "is next to go");
        return Verdict::Prepare(vec![marks::choose(me, rival)], hold);
    }
    let text = format!("waits for {}, which its set would take first", rival.pod);
    Verdict::Hold(case.hold(Reason::WaitingForOtherNode, text))
}
