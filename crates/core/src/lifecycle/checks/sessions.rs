//! Sessions move, they are not dropped: a node goes when it is closed to newcomers and empty, or when evacuation is
//! switched off, does not exist in this EMQX, or has nowhere to go.
//!
//! *Why the fact is stable:* a closed node stays closed until somebody stops the evacuation, also across a restart.

use crate::action::{Action, Call, EvacuationOptions};
use crate::desired::{NodeName, Role};
use crate::lifecycle::admission::{Case, Verdict};
use crate::lifecycle::candidate::How;
use crate::lifecycle::{listeners_role, marks};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, BrokerNode, Evacuation, EvacuationPhase, Node, Reading, View, Why};
use emqx_operator_api::hub::EvacuationType;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>, broker: &Broker) -> Verdict {
    let Some(node) = case.candidate.node else { return Verdict::Pass };
    if planted(Bug::SkipSessions) {
        return Verdict::Pass;
    }
    if case.fleet.desired.update_strategy.evacuation_strategy.strategy == EvacuationType::Disabled {
        return Verdict::Pass;
    }
    if let Some(view) = case.fleet.view_of_apart(node) {
        return apart(case, node, view);
    }
    let member = match &node.broker {
        Some(member) if member.running => member,
        // A node that Kubernetes finds healthy and the cluster does not see is cut off, not gone: it has clients.
        _ if node.ready && !planted(Bug::MissingIsGone) => {
            let text = "is ready, but the EMQX cluster does not list it as running";
            return Verdict::Hold(case.hold(Reason::NodeUnknown, text));
        }
        _ if node.is_down() => return Verdict::Pass,
        // Long enough for one that boots to be listed, or to get ready: it hangs, and nobody is on it.
        _ if case.fleet.boots_for_long(node) => return Verdict::Pass,
        // A member that boots is missing in the list for a while.
        None if planted(Bug::MissingIsGone) => return Verdict::Pass,
        None => return Verdict::Hold(case.hold(Reason::NodeUnknown, "runs, but EMQX does not list it yet")),
        // It boots, and nobody is on it yet.
        Some(_) if node.booting_since().is_some() || planted(Bug::StoppedIsGone) => return Verdict::Pass,
        // A node that is cut off is listed as stopped after a while. One that we have closed is not ready, and has clients.
        Some(_) => {
            let text = "runs, but the EMQX cluster lists it as stopped: it may be cut off, with clients on it";
            return Verdict::Hold(case.hold(Reason::NodeUnknown, text));
        }
    };
    // While the open source edition becomes 5.9, new nodes know evacuations, and old ones do not.
    if !member.evacuates() || is_last_of_its_kind(case, node) {
        return Verdict::Pass;
    }
    match &broker.evacuations {
        Reading::Off => Verdict::Pass,
        Reading::Unavailable(_) if planted(Bug::UnknownIsOff) => Verdict::Pass,
        Reading::Unavailable(why) => Verdict::Hold(case.hold(Reason::RequestFailed, unknown(why))),
        Reading::Fresh(_) => evacuated(case, node, member),
    }
}

/// It answers, and is a cluster of its own: no other node can take what is on it.
fn apart(case: &Case<'_, '_>, node: &Node, view: &View) -> Verdict {
    let own = node.name.as_ref().and_then(|name| view.get(name));
    match own.and_then(|own| own.sessions) {
        Some(0) => Verdict::Pass,
        count => {
            let count = count.map_or_else(|| "an unknown number of".to_owned(), |count| count.to_string());
            let pod = &node.pod;
            let text = format!(
                "is a cluster of its own and holds {count} sessions, which no other node can take. To give them up and have \
                 the pod made anew: `kubectl delete pod {pod}`"
            );
            Verdict::Hold(case.hold(Reason::SplitCluster, text))
        }
    }
}

/// On the way back to the open source edition nobody is left who could take its sessions, and nobody will be.
fn is_last_of_its_kind(case: &Case<'_, '_>, node: &Node) -> bool {
    let others = || case.fleet.world.nodes().filter(|other| other.pod != node.pod && other.is_member());
    let cannot = |other: &BrokerNode| !other.evacuates();
    let stays = |other: &Node| !case.going.contains(&other.pod.as_str());
    others().next().is_some() && others().all(|other| stays(other) && other.broker.as_ref().is_some_and(cannot))
}

fn evacuated(case: &Case<'_, '_>, node: &Node, member: &BrokerNode) -> Verdict {
    if planted(Bug::EmptyIsEnough) && member.sessions == Some(0) {
        return Verdict::Pass;
    }
    match &node.evacuation {
        Some(_) if planted(Bug::UnderWayIsEmpty) => Verdict::Pass,
        Some(evacuation) if is_empty(evacuation, member) => Verdict::Pass,
        Some(evacuation) if node.marked && !evacuation.is_rebalance() && !planted(Bug::KeepOutdatedEvacuation) => {
            if lacks_recipients(case, node, member, evacuation) {
                let text = "is emptied to nodes that are gone; it is started again with others";
                let name = node.name.clone();
                let stop = name.map(|node| Action::Call(Call::StopEvacuation { node, anew: true }));
                Verdict::Prepare(stop.into_iter().collect(), case.hold(Reason::EvacuatingSessions, text))
            } else {
                let hold = case.hold(Reason::EvacuatingSessions, progress(evacuation, member));
                Verdict::Hold(hold.not_ready(node.unready_since))
            }
        }
        Some(evacuation) => {
            let ours = node.marked && !evacuation.is_rebalance();
            let reason = if ours { Reason::EvacuatingSessions } else { Reason::ForeignEvacuation };
            Verdict::Hold(case.hold(reason, progress(evacuation, member)).not_ready(node.unready_since))
        }
        None => start(case, node, member),
    }
}

/// None of the recipients of an evacuation is left, and other nodes can take the sessions. EMQX keeps to the recipients that it
/// was told, so the evacuation is stopped, and started again by the next pass. Recipients that are to go later take what they
/// get, and give it away in their turn: which nodes are to go can depend on which node is being emptied, and no node is to be
/// closed and opened by turns.
fn lacks_recipients(case: &Case<'_, '_>, node: &Node, member: &BrokerNode, evacuation: &Evacuation) -> bool {
    let nothing_left = member.sessions == Some(0) && evacuation.connected == Some(0);
    let takes = |other: &Node| {
        let named = other.name.as_ref().is_some_and(|name| evacuation.told.recipients.contains(&name.0));
        named && other.is_member() && other.evacuation.is_none() && !other.terminating
    };
    evacuation.phase == EvacuationPhase::EvictingSessions
        && !nothing_left
        && !case.fleet.targets(node, case.going).is_empty()
        && !case.fleet.world.nodes().any(takes)
}

/// Closed and empty. With durable sessions the last phase may never come, because the offline sessions of the whole
/// cluster are counted; the node's own numbers tell.
pub(in crate::lifecycle) fn is_empty(evacuation: &Evacuation, member: &BrokerNode) -> bool {
    match evacuation.phase {
        EvacuationPhase::Empty => true,
        EvacuationPhase::EvictingSessions => evacuation.connected == Some(0) && member.sessions == Some(0),
        EvacuationPhase::WaitingForLoadBalancers
        | EvacuationPhase::EvictingConnections
        | EvacuationPhase::WaitingForTakeover
        | EvacuationPhase::Rebalancing { .. }
        | EvacuationPhase::Other(_) => false,
    }
}

fn progress(evacuation: &Evacuation, member: &BrokerNode) -> String {
    let count =
        |number: Option<i64>, noun: &str| number.map_or_else(|| format!("{noun} unknown"), |n| format!("{n} {noun}"));
    let left =
        format!("{} and {} left", count(evacuation.connected, "connections"), count(member.sessions, "sessions"));
    let phase = match &evacuation.phase {
        EvacuationPhase::Rebalancing { coordinator } => return rebalance(coordinator),
        EvacuationPhase::WaitingForLoadBalancers => "load balancers get time to notice",
        EvacuationPhase::EvictingConnections => "clients are sent elsewhere",
        EvacuationPhase::WaitingForTakeover => "clients get time to fetch their sessions",
        EvacuationPhase::EvictingSessions => "sessions are being moved",
        EvacuationPhase::Empty => "empty",
        EvacuationPhase::Other(name) => name,
    };
    format!("is being emptied ({phase}): {left}")
}

/// What is said of a node that gives clients away.
pub(in crate::lifecycle) fn rebalance(coordinator: &NodeName) -> String {
    let host = coordinator.0.trim_start_matches("emqx@");
    format!(
        "gives clients away in a rebalance that somebody has started; it ends by itself, or with `emqx ctl rebalance stop` on {host}"
    )
}

fn start(case: &Case<'_, '_>, node: &Node, member: &BrokerNode) -> Verdict {
    let targets = case.fleet.targets(node, case.going);
    if targets.is_empty() && is_single(case) {
        return Verdict::Pass;
    }
    if targets.is_empty() {
        let text = format!("stays, because no other node can take its {} sessions now", member.sessions.unwrap_or(0));
        return Verdict::Hold(case.hold(Reason::WaitingForSurvivors, text));
    }
    let Some(name) = node.name.clone() else { return Verdict::Pass };
    let options = options(case, node, member, targets);
    let mut actions: Vec<_> = marks::begin(case.fleet.world, node).into_iter().collect();
    actions.push(Action::Call(Call::StartEvacuation { node: name, options }));
    let text = format!("is about to be emptied: {} sessions", member.sessions.unwrap_or(0));
    Verdict::Prepare(actions, case.hold(Reason::EvacuatingSessions, text))
}

/// A single node has nowhere to send its clients, and waiting would not change that. While others are there that are to
/// leave, it waits: they can still take its clients, or their going ends what keeps them from it.
fn is_single(case: &Case<'_, '_>) -> bool {
    let fleet = case.fleet;
    let me = case.candidate.node.map(|node| node.pod.as_str());
    // One that is starting may take them in a moment.
    let down = |other: &Node| other.is_down() && other.wait.is_some();
    let alone = fleet.world.nodes().all(|other| Some(other.pod.as_str()) == me || down(other));
    let single = fleet.wanted(Role::Core) == 1 && fleet.wanted(Role::Replicant) == 0;
    single && alone && case.candidate.how == How::Restart
}

fn options(case: &Case<'_, '_>, node: &Node, member: &BrokerNode, targets: Vec<NodeName>) -> EvacuationOptions {
    let desired = case.fleet.desired;
    let strategy = &desired.update_strategy.evacuation_strategy;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    // Nobody is led to it and nobody is on it, so nobody needs time.
    let idle = node.role != listeners_role(desired, case.fleet.world)
        && member.sessions == Some(0)
        && member.connections == Some(0);
    let wait = |seconds: i32| if idle { 0 } else { number(seconds) };
    EvacuationOptions {
        targets,
        connection_rate: number(strategy.connection_eviction_rate).max(1),
        session_rate: number(strategy.session_eviction_rate).max(1),
        wait_health_check: wait(strategy.wait_health_check),
        wait_takeover: wait(strategy.wait_takeover),
    }
}

fn unknown(why: &Why) -> String {
    match why {
        Why::NoAnswer(text) | Why::LockedOut { text, .. } => {
            format!("stays, because EMQX cannot be asked about evacuations: {text}")
        }
        Why::NobodyToAsk | Why::NotAsked => "stays until EMQX has been asked about evacuations".to_owned(),
    }
}
