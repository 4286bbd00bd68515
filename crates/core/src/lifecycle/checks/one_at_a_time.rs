//! Nobody goes while a core is on its way out or back. Replicants may go together, as many as may be missing.
//!
//! *Why the fact is stable:* nodes leave only by our own permits, and there is one per plan.

use super::survivors::max_unavailable;
use crate::desired::Role;
use crate::lifecycle::admission::{Case, Verdict};
use crate::reason::Reason;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    let world = case.fleet.world;
    let me = case.name();
    let mut others = world.cores.nodes.iter().filter(|node| node.pod != me && (node.terminating || node.marked));
    let restarting = world.cores.sets.iter().find_map(|set| {
        let pod = set.marked.as_ref()?;
        let gone = !world.cores.nodes.iter().any(|node| node.pod == *pod);
        (gone && *pod != me).then_some(pod.as_str())
    });
    let together = usize::try_from(max_unavailable(case.fleet.desired)).unwrap_or(0).max(1);
    let leaving = world.replicants.nodes.iter().filter(|node| node.pod != me && node.marked);
    let begun = case.candidate.node.is_some_and(|node| node.marked);
    if case.candidate.role == Role::Replicant && !begun && leaving.clone().count() >= together {
        let pods: Vec<_> = leaving.map(|node| node.pod.as_str()).collect();
        return Verdict::Hold(case.hold(Reason::WaitingForOtherNode, format!("waits for {}", pods.join(", "))));
    }
    match others.next().map(|node| node.pod.as_str()).or(restarting) {
        Some(other) => Verdict::Hold(case.hold(Reason::WaitingForOtherNode, format!("waits for {other}"))),
        None => Verdict::Pass,
    }
}
