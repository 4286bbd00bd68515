//! Nobody goes while a core is on its way out or back. Replicants may go together, as far as the budget allows.
//!
//! *Why the fact is stable:* nodes leave only by our own permits, and there is one per plan.

use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    let world = case.fleet.world;
    let me = case.name();
    let mut others = world.nodes().filter(|node| {
        let counts = node.role == Role::Core || case.candidate.role == Role::Core;
        counts && node.pod != me && (node.terminating || node.marked)
    });
    let restarting = world.cores.sets.iter().find_map(|set| {
        let pod = set.marked.as_ref()?;
        let gone = !world.cores.nodes.iter().any(|node| node.pod == *pod);
        (gone && *pod != me).then_some(pod.as_str())
    });
    match others.next().map(|node| node.pod.as_str()).or(restarting) {
        Some(other) => Verdict::Hold(case.hold(Reason::WaitingForOtherNode, format!("waits for {other}"))),
        None => Verdict::Pass,
    }
}
