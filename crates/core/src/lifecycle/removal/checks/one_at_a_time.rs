//! Nobody goes while a core is on its way out or back. Replicants may go together, as many as may be missing or extra, and where
//! fewer are wanted they do not wait for a core that does not come up, or that goes for good.
//!
//! *Why the fact is stable:* nodes leave only by our own permits, and there is one per plan.

use crate::desired::Role;
use crate::lifecycle::facts::surge::{max_surge, max_unavailable};
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Node, NodeSet};

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    if planted(Bug::SkipOneAtATime) {
        return Verdict::Pass;
    }
    let (topology, world) = (request.topology, request.topology.world);
    let me = request.name();
    let begun = request.removal.node.is_some_and(|node| node.marked);
    // One that is down and is to go anyway is on its way nowhere; and of two that have begun, each would wait for the
    // other.
    let scaled_in =
        request.removal.role == Role::Replicant && request.removal.node.is_some_and(|me| topology.is_scaled_in(me));
    let lost = |node: &Node| (node.is_down() || topology.boots_for_long(node)) && !node.is_member();
    // A core that goes for good may have to wait for others, which wait for a template that works.
    let stuck = |node: &Node| {
        if scaled_in { lost(node) || topology.is_surplus(node) } else { lost(node) && topology.is_surplus(node) }
    };
    let leaves = |node: &&Node| node.pod != me && (node.terminating || (node.marked && !begun && !stuck(node)));
    let leaving_core = world.cores.nodes.iter().find(leaves).map(|node| node.pod.as_str());
    let exists = |pod: &str| world.cores.nodes.iter().any(|node| node.pod == pod);
    // One that Kubernetes does not make again may be waiting for the room that this one leaves.
    let awaited =
        |set: &&NodeSet| set.refusal.is_none() || !(scaled_in || (begun && request.removal.role == Role::Replicant));
    let marked = world.cores.sets.iter().filter(awaited).flat_map(|set| &set.marked).map(String::as_str);
    let restarting = marked.into_iter().find(|pod| *pod != me && !exists(pod));
    let together = max_unavailable(topology.desired).max(max_surge(topology.desired));
    let together = usize::try_from(together).unwrap_or(0).max(1);
    let leaving = world.replicants.nodes.iter().filter(|node| node.pod != me && node.marked && !topology.is_open(node));
    let closed = begun && !request.removal.node.is_some_and(|node| topology.is_open(node));
    if request.removal.role == Role::Replicant && !closed && leaving.clone().count() >= together {
        let pods: Vec<_> = leaving.map(|node| node.pod.as_str()).collect();
        return Verdict::Hold(request.hold(Reason::WaitingForOtherNode, format!("waits for {}", pods.join(", "))));
    }
    match leaving_core.or(restarting) {
        Some(other) => Verdict::Hold(request.hold(Reason::WaitingForOtherNode, format!("waits for {other}"))),
        None => Verdict::Pass,
    }
}
