//! Sessions move, they are not dropped: a node goes when it is closed to new clients and empty, or when evacuation is
//! switched off, does not exist in this EMQX, or has nowhere to go.
//!
//! *Why the fact is stable:* a closed node stays closed until a user or the operator stops the evacuation, also across a restart.

use crate::action::{Action, Call, EvacuationOptions};
use crate::desired::{NodeName, Role};
use crate::lifecycle::removal::how::How;
use crate::lifecycle::removal::recipients::recipients;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::lifecycle::{evacuation_owner, listeners_role};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{
    Broker, BrokerNode, Evacuation, EvacuationPhase, Node, NodeState, Reading, View, Why, rebalance_text,
};
use emqx_operator_api::hub::EvacuationType;

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>, broker: &Broker) -> Verdict {
    let Some(node) = request.removal.node else { return Verdict::Pass };
    if planted(Bug::SkipSessions) {
        return Verdict::Pass;
    }
    if request.topology.desired.update_strategy.evacuation_strategy.strategy == EvacuationType::Disabled {
        return Verdict::Pass;
    }
    if let Some(view) = request.topology.view_of_apart(node) {
        return apart(request, node, view);
    }
    let member = match &node.broker {
        Some(member) if member.running => member,
        // A node that Kubernetes finds healthy and the cluster does not see is cut off, not gone: it has clients.
        _ if node.is_ready() && !planted(Bug::MissingIsGone) => {
            let text = "is ready, but the EMQX cluster does not list it as running";
            return Verdict::Hold(request.hold(Reason::NodeUnknown, text));
        }
        _ if node.is_down() => return Verdict::Pass,
        // A node that boots would be listed or ready by now: this node hangs, and has no client.
        _ if node.hangs(request.topology.world.now) => return Verdict::Pass,
        // A member that boots is missing in the list for a while.
        None if planted(Bug::MissingIsGone) => return Verdict::Pass,
        None => return Verdict::Hold(request.hold(Reason::NodeUnknown, "runs, but EMQX does not list it yet")),
        // The node boots, and has no client yet.
        Some(_) if matches!(node.state, NodeState::Booting { .. }) || planted(Bug::StoppedIsGone) => {
            return Verdict::Pass;
        }
        // A node that is cut off is listed as stopped after a while. One that we have closed is not ready, and has clients.
        Some(_) => {
            let text = "runs, but the EMQX cluster lists it as stopped: it may be cut off, with clients on it";
            return Verdict::Hold(request.hold(Reason::NodeUnknown, text));
        }
    };
    // While the open source edition becomes 5.9, new nodes know evacuations, and old ones do not.
    if !member.evacuates() || is_last_of_its_kind(request, node) {
        return Verdict::Pass;
    }
    match &broker.evacuations {
        Reading::Off => Verdict::Pass,
        Reading::Unavailable(_) if planted(Bug::UnknownIsOff) => Verdict::Pass,
        Reading::Unavailable(why) => Verdict::Hold(request.hold(Reason::RequestFailed, unknown(why))),
        Reading::Fresh(_) => evacuated(request, node, member),
    }
}

/// It answers, and is a cluster of its own: no other node can take what is on it.
fn apart(request: &RemovalRequest<'_, '_>, node: &Node, view: &View) -> Verdict {
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
            Verdict::Hold(request.hold(Reason::SplitCluster, text))
        }
    }
}

/// On the way back to the open source edition no node is left that could take its sessions, and none will come.
fn is_last_of_its_kind(request: &RemovalRequest<'_, '_>, node: &Node) -> bool {
    let others = || request.topology.world.nodes().filter(|other| other.pod != node.pod && other.is_member());
    let cannot = |other: &BrokerNode| !other.evacuates();
    let stays = |other: &Node| !request.going.contains(&other.pod.as_str());
    others().next().is_some() && others().all(|other| stays(other) && other.broker.as_ref().is_some_and(cannot))
}

fn evacuated(request: &RemovalRequest<'_, '_>, node: &Node, member: &BrokerNode) -> Verdict {
    if planted(Bug::EmptyIsEnough) && member.sessions == Some(0) {
        return Verdict::Pass;
    }
    match &node.evacuation {
        Some(_) if planted(Bug::UnderWayIsEmpty) => Verdict::Pass,
        Some(evacuation) if evacuation.is_done(member) => Verdict::Pass,
        Some(evacuation)
            if node.evacuating_by_us && !evacuation.is_rebalance() && !planted(Bug::KeepOutdatedEvacuation) =>
        {
            if lacks_recipients(request, node, member, evacuation) {
                let text = "is emptied to nodes that are gone; it is started again with others";
                let name = node.name.clone();
                let stop = name.map(|node| Action::Call(Call::StopEvacuation { node, anew: true }));
                Verdict::Prepare(stop.into_iter().collect(), request.hold(Reason::EvacuatingSessions, text))
            } else {
                let hold = request.hold(Reason::EvacuatingSessions, progress(evacuation, member));
                Verdict::Hold(hold.not_ready(node.unready_since))
            }
        }
        Some(evacuation) => {
            let ours = node.evacuating_by_us && !evacuation.is_rebalance();
            let reason = if ours { Reason::EvacuatingSessions } else { Reason::ForeignEvacuation };
            Verdict::Hold(request.hold(reason, progress(evacuation, member)).not_ready(node.unready_since))
        }
        None => start(request, node, member),
    }
}

/// None of the recipients of an evacuation is left, and other nodes can take the sessions. EMQX keeps to the recipients that it
/// was told, so the evacuation is stopped, and started again by the next pass. Recipients that are to go later take what they
/// get, and give it away in their turn: which nodes are to go can depend on which node is being emptied, and no node is to be
/// closed and opened by turns.
fn lacks_recipients(
    request: &RemovalRequest<'_, '_>,
    node: &Node,
    member: &BrokerNode,
    evacuation: &Evacuation,
) -> bool {
    let nothing_left = member.sessions == Some(0) && evacuation.connected == Some(0);
    let takes = |other: &Node| {
        let named = other.name.as_ref().is_some_and(|name| evacuation.parameters.recipients.contains(&name.0));
        named && other.is_member() && other.evacuation.is_none() && !other.is_terminating()
    };
    evacuation.phase == EvacuationPhase::EvictingSessions
        && !nothing_left
        && !recipients(request.topology, node, request.going).is_empty()
        && !request.topology.world.nodes().any(takes)
}

fn progress(evacuation: &Evacuation, member: &BrokerNode) -> String {
    let count =
        |number: Option<i64>, noun: &str| number.map_or_else(|| format!("{noun} unknown"), |n| format!("{n} {noun}"));
    let left =
        format!("{} and {} left", count(evacuation.connected, "connections"), count(member.sessions, "sessions"));
    let phase = match &evacuation.phase {
        EvacuationPhase::Rebalancing { coordinator } => return rebalance_text(coordinator),
        EvacuationPhase::WaitingForLoadBalancers => "load balancers get time to notice",
        EvacuationPhase::EvictingConnections => "clients are sent elsewhere",
        EvacuationPhase::WaitingForTakeover => "clients get time to fetch their sessions",
        EvacuationPhase::EvictingSessions => "sessions are being moved",
        EvacuationPhase::Empty => "empty",
        EvacuationPhase::Other(name) => name,
    };
    format!("is being emptied ({phase}): {left}")
}

fn start(request: &RemovalRequest<'_, '_>, node: &Node, member: &BrokerNode) -> Verdict {
    let targets = recipients(request.topology, node, request.going);
    if targets.is_empty() && is_single(request) {
        return Verdict::Pass;
    }
    if targets.is_empty() {
        let text = format!("stays, because no other node can take its {} sessions now", member.sessions.unwrap_or(0));
        return Verdict::Hold(request.hold(Reason::WaitingForSurvivors, text));
    }
    let Some(name) = node.name.clone() else { return Verdict::Pass };
    let options = options(request, node, member, targets);
    let mut actions: Vec<_> = evacuation_owner::begin(request.topology.world, node).into_iter().collect();
    actions.push(Action::Call(Call::StartEvacuation { node: name, options }));
    let text = format!("is about to be emptied: {} sessions", member.sessions.unwrap_or(0));
    Verdict::Prepare(actions, request.hold(Reason::EvacuatingSessions, text))
}

/// A single node has nowhere to send its clients, and waiting would not change that. While others are there that are to
/// leave, it waits: they can still take its clients, or their going ends what keeps them from it.
fn is_single(request: &RemovalRequest<'_, '_>) -> bool {
    let topology = request.topology;
    let me = request.removal.node.map(|node| node.pod.as_str());
    // One that is starting may take them in a moment.
    let down = |other: &Node| other.is_down() && other.issue.is_some();
    let alone = topology.world.nodes().all(|other| Some(other.pod.as_str()) == me || down(other));
    let single = topology.wanted(Role::Core) == 1 && topology.wanted(Role::Replicant) == 0;
    single && alone && request.removal.how == How::Recreate
}

fn options(
    request: &RemovalRequest<'_, '_>,
    node: &Node,
    member: &BrokerNode,
    targets: Vec<NodeName>,
) -> EvacuationOptions {
    let desired = request.topology.desired;
    let strategy = &desired.update_strategy.evacuation_strategy;
    let number = |number: i32| u32::try_from(number).unwrap_or(0);
    // The Service leads no client to this node, and no client is on it, so the waits serve no client.
    let idle = node.role != listeners_role(desired, request.topology.world)
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

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
    use crate::lifecycle::scene::world;
    use crate::world::{EvacuationPhase, NodeState, Why};

    fn said(request: &RemovalRequest<'_, '_>) -> Verdict {
        check(request, request.topology.world.broker.fresh().expect("EMQX answers"))
    }

    #[test]
    fn sessions_are_moved_first() {
        let rows = [
            (
                "it has sessions",
                world().cores(3).sessions("iot-core-2", 40).recreate("iot-core-2", said),
                "StatefulSet/iot-core",
            ),
            (
                "it is empty and open: clients may come",
                world().cores(3).recreate("iot-core-2", said),
                "StatefulSet/iot-core",
            ),
            (
                "it is closed and empty",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .evacuated("iot-core-2", EvacuationPhase::Empty)
                    .recreate("iot-core-2", said),
                "passes",
            ),
            (
                "its own numbers say that it is empty",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .evacuated("iot-core-2", EvacuationPhase::EvictingSessions)
                    .recreate("iot-core-2", said),
                "passes",
            ),
            (
                "its sessions are being moved",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .sessions("iot-core-2", 40)
                    .evacuated("iot-core-2", EvacuationPhase::EvictingSessions)
                    .recreate("iot-core-2", said),
                "EvacuatingSessions: ",
            ),
            (
                "a user evacuates it",
                world()
                    .cores(3)
                    .sessions("iot-core-2", 40)
                    .evacuated("iot-core-2", EvacuationPhase::EvictingSessions)
                    .recreate("iot-core-2", said),
                "ForeignEvacuation: ",
            ),
            (
                "EMQX does not tell of evacuations",
                world().cores(3).without_evacuations(Why::NoAnswer("timeout".to_owned())).recreate("iot-core-2", said),
                "RequestFailed: ",
            ),
            (
                "Kubernetes finds it healthy, and EMQX says it is stopped",
                world().cores(3).stopped("iot-core-2").recreate("iot-core-2", said),
                "NodeUnknown: is ready",
            ),
            (
                "it runs, is not ready, and EMQX says it is stopped",
                world()
                    .cores(3)
                    .state("iot-core-2", NodeState::Unready)
                    .stopped("iot-core-2")
                    .recreate("iot-core-2", said),
                "NodeUnknown: runs",
            ),
            (
                "it does not run",
                world().cores(3).state("iot-core-2", NodeState::Crashed { served: true }).recreate("iot-core-2", said),
                "passes",
            ),
            (
                "it boots, and EMQX says it is stopped",
                world()
                    .cores(3)
                    .state("iot-core-2", NodeState::Booting { since: None, served: true })
                    .stopped("iot-core-2")
                    .recreate("iot-core-2", said),
                "passes",
            ),
            (
                "a single core has nowhere to send them",
                world().cores(1).sessions("iot-core-0", 40).recreate("iot-core-0", said),
                "passes",
            ),
            (
                "the last core, which is to go for good",
                world().cores(1).wants_cores(2).sessions("iot-core-0", 40).recreate("iot-core-0", said),
                "no other node can take",
            ),
            (
                "its recipients are gone",
                world()
                    .cores(3)
                    .ours("iot-core-2")
                    .sessions("iot-core-2", 40)
                    .evacuated_to("iot-core-2", EvacuationPhase::EvictingSessions, &[])
                    .recreate("iot-core-2", said),
                "stop evacuation",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
