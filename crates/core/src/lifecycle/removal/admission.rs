//! May this node go now? Every way in which a node leaves comes through here: the first objection wins, and only a node
//! that passes gets a [`Permit`], without which no node is removed.
//!
//! A permit rests on facts that stay true until we act. "No sessions right now" does not: clients connect in between.
//! "Closed to new clients, and empty" does.

mod permit;

pub use permit::Permit;

use super::checks::{BROKER, LOCAL, replicas_observed};
use super::how::How;
use super::request::{RemovalRequest, Verdict};
use crate::action::Action;
use crate::desired::Role;
use crate::lifecycle::Hold;
use crate::lifecycle::facts::locked_out;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Node, Reading, Why};

/// What became of the examination.
pub(in crate::lifecycle) enum Decision {
    Granted(Permit),
    Refused(Hold),
    Prepare(Vec<Action>, Hold),
}

pub(in crate::lifecycle) fn examine(request: &RemovalRequest<'_, '_>) -> Decision {
    // No client loses anything when a node that never served, or does not run, starts again, whatever EMQX says. The node waits
    // for pods that are terminating, which end by themselves, and for no node that may in turn wait for it.
    let emptied = request.topology.world.nodes().any(|node| node.evacuation.is_some() && !node.evacuating_by_us);
    let has_nothing = |node: &Node| {
        let sessions = node.broker.as_ref().filter(|member| member.running).and_then(|member| member.sessions);
        // An evacuation that a user has started may move sessions to a node that runs; those of the operator lead to nodes that serve.
        let empty = sessions.is_none_or(|sessions| sessions == 0 && !emptied);
        node.is_down() && (!node.state.is_running() || empty)
    };
    if request.removal.how == How::Recreate && request.removal.node.is_some_and(has_nothing) {
        return match terminating(request) {
            Some(hold) => Decision::Refused(hold),
            None => Decision::Granted(permit(request)),
        };
    }
    for check in LOCAL {
        match check(request) {
            Verdict::Pass => {}
            Verdict::Hold(hold) => return Decision::Refused(hold),
            Verdict::Prepare(actions, hold) => return Decision::Prepare(actions, hold),
        }
    }
    let broker = match &request.topology.world.broker {
        Reading::Fresh(broker) => broker,
        Reading::Off | Reading::Unavailable(_) if planted(Bug::BlindRemoval) => {
            return Decision::Granted(permit(request));
        }
        Reading::Unavailable(Why::LockedOut { .. }) if lets_in(request) => return Decision::Granted(permit(request)),
        Reading::Off | Reading::Unavailable(_) => return Decision::Refused(blind(request)),
    };
    for check in BROKER {
        match check(request, broker) {
            Verdict::Pass => {}
            Verdict::Hold(hold) => return Decision::Refused(hold),
            Verdict::Prepare(actions, hold) => return Decision::Prepare(actions, hold),
        }
    }
    Decision::Granted(permit(request))
}

/// Cores restart one after the other, also cores that do not serve; a core that never served waits for none.
fn terminating(request: &RemovalRequest<'_, '_>) -> Option<Hold> {
    let me = request.removal.node.filter(|node| node.state.has_served())?;
    let mut others =
        request.topology.world.cores.nodes.iter().filter(|node| node.is_terminating() && node.pod != me.pod);
    let Some(other) = others.next() else {
        return match replicas_observed(request) {
            Verdict::Hold(hold) => Some(hold),
            Verdict::Pass | Verdict::Prepare(..) => None,
        };
    };
    Some(request.hold(Reason::WaitingForOtherNode, format!("waits for {} to end", other.pod)))
}

/// A spec that was corrected has to reach one core, or EMQX would refuse the operator for good: cores read the key when they
/// start, and what one has read all nodes know. It goes without being emptied, since EMQX empties nothing for a key that it
/// refuses; a second one does not go like this, whether or not the first was let in.
fn lets_in(request: &RemovalRequest<'_, '_>) -> bool {
    let (topology, candidate) = (request.topology, request.removal);
    let has_new = topology.present(Role::Core).any(|core| !topology.is_outdated(core));
    let is_old_core = candidate.role == Role::Core && candidate.how == How::Recreate;
    is_old_core && !has_new && locked_out::is_for_good(topology.desired, topology.world)
}

/// One place says what happens when EMQX does not answer: nothing.
fn blind(request: &RemovalRequest<'_, '_>) -> Hold {
    let (reason, why) = match &request.topology.world.broker {
        Reading::Unavailable(Why::NoAnswer(text)) => (Reason::RequestFailed, text.as_str()),
        // What to do about that is told once, by the rule about it.
        Reading::Unavailable(Why::LockedOut { text, .. }) => (Reason::NoRequester, text.as_str()),
        _ => (Reason::NoRequester, "no core pod is ready to be asked"),
    };
    request.hold(reason, format!("stays, because EMQX cannot be asked about its sessions: {why}"))
}

fn permit(request: &RemovalRequest<'_, '_>) -> Permit {
    Permit::new(request.removal.node, request.removal.how.clone(), request.topology.desired.generation)
}
