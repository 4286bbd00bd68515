//! What a node is doing, said once for all rules: its pod as Kubernetes tells it, its membership as EMQX does, and what it
//! says of its template. ARCHITECTURE.md draws how one state follows another.

use crate::reason::Reason;
use jiff::Timestamp;
use serde::Serialize;

/// What the pod of a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum NodeState {
    /// No container has run: the pod waits for a machine, its image or its volume.
    Pending,
    /// EMQX runs and has not been ready since it started, so it has no client. The pod may have served before.
    Booting {
        since: Option<Timestamp>,
        served: bool,
    },
    Ready,
    /// EMQX runs, was ready, and is not any more: it is closed, or not well. It has its clients and sessions.
    Unready,
    /// EMQX does not run.
    Crashed {
        served: bool,
    },
    /// The pod is on its way out.
    Terminating {
        served: bool,
    },
}

/// What Kubernetes says of a pod, from which its state follows.
#[derive(Clone, Copy, Debug)]
pub struct PodReading {
    pub terminating: bool,
    pub ready: bool,
    /// The container of EMQX runs.
    pub running: bool,
    pub running_since: Option<Timestamp>,
    pub unready_since: Option<Timestamp>,
    /// The pod is past its phase Pending.
    pub started: bool,
    /// The pod has been ready at some time.
    pub served: bool,
}

impl NodeState {
    pub fn of(pod: &PodReading) -> NodeState {
        let PodReading { terminating, ready, running, running_since, unready_since, started, served } = *pod;
        let boots = !served || unready_since.zip(running_since).is_some_and(|(unready, started)| unready <= started);
        match (running, ready) {
            _ if terminating => NodeState::Terminating { served: served || ready },
            (_, true) => NodeState::Ready,
            (true, false) if boots => NodeState::Booting { since: running_since, served },
            (true, false) => NodeState::Unready,
            (false, false) if started => NodeState::Crashed { served },
            (false, false) => NodeState::Pending,
        }
    }

    pub fn is_ready(self) -> bool {
        match self {
            NodeState::Ready => true,
            NodeState::Pending
            | NodeState::Booting { .. }
            | NodeState::Unready
            | NodeState::Crashed { .. }
            | NodeState::Terminating { .. } => false,
        }
    }

    pub fn is_terminating(self) -> bool {
        match self {
            NodeState::Terminating { .. } => true,
            NodeState::Pending
            | NodeState::Booting { .. }
            | NodeState::Ready
            | NodeState::Unready
            | NodeState::Crashed { .. } => false,
        }
    }

    /// The node has never served, or EMQX does not run in it: no client loses anything when its pod is made again.
    pub fn is_down(self) -> bool {
        match self {
            NodeState::Pending | NodeState::Crashed { .. } => true,
            NodeState::Booting { served, .. } => !served,
            NodeState::Ready | NodeState::Unready | NodeState::Terminating { .. } => false,
        }
    }

    /// EMQX runs in it.
    pub fn is_running(self) -> bool {
        match self {
            NodeState::Booting { .. } | NodeState::Ready | NodeState::Unready => true,
            NodeState::Pending | NodeState::Crashed { .. } | NodeState::Terminating { .. } => false,
        }
    }

    /// The pod has been ready at some time, so the node may have had clients, sessions and shards.
    pub fn has_served(self) -> bool {
        match self {
            NodeState::Pending => false,
            NodeState::Ready | NodeState::Unready => true,
            NodeState::Booting { served, .. } | NodeState::Crashed { served } | NodeState::Terminating { served } => {
                served
            }
        }
    }
}

/// What the EMQX cluster says of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Membership {
    /// EMQX has not been asked, or has not answered.
    #[default]
    Unknown,
    /// The cluster lists the node as running.
    Running,
    /// The cluster lists the node, and not as running.
    Stopped,
    /// The cluster does not list the node.
    Unlisted,
}

/// What a node says of the template that its pod was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum NodeVerdict {
    /// The node serves, has been closed, or is about to end.
    Works,
    /// The node boots.
    Starts,
    /// The node came up, and is not ready any more. That is not the fault of the template.
    Unready,
    /// The node came up, has crashed again and again lately, and runs at the moment.
    Settles,
    /// The node came up, and crashes again and again.
    Unsteady,
    /// The node came up, and its container cannot start again: its image cannot be pulled, or what it mounts is not there any more.
    CannotStartAgain,
    /// Kubernetes finds no machine or no volume for the node.
    CannotBePlaced,
    /// The node has never been ready, and runs for minutes or has crashed.
    NeverReady,
    /// The node crashes and has never been ready.
    Crashes,
    /// The container cannot start: its image cannot be pulled, or what it mounts is not there.
    CannotStart,
}

impl NodeVerdict {
    /// A node that is not ready on purpose, because EMQX closes it, is not judged: `closed`.
    pub fn of(state: NodeState, issue: Option<Reason>, unsteady: bool, closed: bool) -> NodeVerdict {
        let served = match state {
            NodeState::Terminating { .. } => return NodeVerdict::Works,
            NodeState::Ready if unsteady => return NodeVerdict::Settles,
            NodeState::Ready => return NodeVerdict::Works,
            NodeState::Booting { .. } | NodeState::Unready if closed => return NodeVerdict::Works,
            NodeState::Pending | NodeState::Booting { .. } | NodeState::Unready | NodeState::Crashed { .. } => {
                state.has_served()
            }
        };
        match issue {
            Some(Reason::ImagePullFailed | Reason::ContainerConfigInvalid) if !served => NodeVerdict::CannotStart,
            Some(Reason::CrashLooping) if !served => NodeVerdict::Crashes,
            Some(Reason::ImagePullFailed | Reason::ContainerConfigInvalid) => NodeVerdict::CannotStartAgain,
            Some(Reason::CrashLooping) => NodeVerdict::Unsteady,
            Some(Reason::Unschedulable | Reason::VolumePending) => NodeVerdict::CannotBePlaced,
            Some(_) if !served => NodeVerdict::NeverReady,
            Some(_) => NodeVerdict::Unready,
            None if unsteady && served => NodeVerdict::Settles,
            None if unsteady => NodeVerdict::NeverReady,
            None if !served => NodeVerdict::Starts,
            None => NodeVerdict::Works,
        }
    }

    /// What the pods are made from does not work, whatever room and volumes there are.
    pub fn is_fault_of_template(self) -> bool {
        match self {
            NodeVerdict::NeverReady | NodeVerdict::Crashes | NodeVerdict::CannotStart => true,
            NodeVerdict::Works
            | NodeVerdict::Starts
            | NodeVerdict::Unready
            | NodeVerdict::Settles
            | NodeVerdict::Unsteady
            | NodeVerdict::CannotStartAgain
            | NodeVerdict::CannotBePlaced => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NodeState, NodeVerdict, PodReading};
    use crate::reason::Reason;
    use jiff::Timestamp;

    const EARLY: Option<Timestamp> = Some(Timestamp::UNIX_EPOCH);
    const LATE: Option<Timestamp> = Some(Timestamp::MAX);

    const SERVES: PodReading = PodReading {
        terminating: false,
        ready: true,
        running: true,
        running_since: EARLY,
        unready_since: None,
        started: true,
        served: true,
    };

    /// What Kubernetes says, the state, and whether it is down, runs, has served.
    #[test]
    fn a_pod_is_in_one_state() {
        let unready = PodReading { ready: false, unready_since: LATE, ..SERVES };
        let fresh = PodReading { served: false, ..unready };
        let rows = [
            (SERVES, NodeState::Ready, (false, true, true)),
            (unready, NodeState::Unready, (false, true, true)),
            // It has restarted: ready before its container started, not since.
            (
                PodReading { running_since: LATE, unready_since: EARLY, ..unready },
                NodeState::Booting { since: LATE, served: true },
                (false, true, true),
            ),
            (fresh, NodeState::Booting { since: EARLY, served: false }, (true, true, false)),
            (PodReading { running: false, ..unready }, NodeState::Crashed { served: true }, (true, false, true)),
            (PodReading { running: false, ..fresh }, NodeState::Crashed { served: false }, (true, false, false)),
            (PodReading { running: false, started: false, ..fresh }, NodeState::Pending, (true, false, false)),
            (PodReading { terminating: true, ..SERVES }, NodeState::Terminating { served: true }, (false, false, true)),
            (
                PodReading { terminating: true, ..fresh },
                NodeState::Terminating { served: false },
                (false, false, false),
            ),
        ];
        for (pod, expected, is) in rows {
            let state = NodeState::of(&pod);
            assert_eq!(state, expected, "{pod:?}");
            assert_eq!((state.is_down(), state.is_running(), state.has_served()), is, "{state:?}");
            assert_eq!(state.is_ready(), state == NodeState::Ready);
            assert_eq!(state.is_terminating(), matches!(state, NodeState::Terminating { .. }));
        }
    }

    const BOOTS: NodeState = NodeState::Booting { since: EARLY, served: false };
    const BOOTS_AGAIN: NodeState = NodeState::Booting { since: EARLY, served: true };

    /// State, issue, whether it has crashed again and again, whether EMQX closes it; the verdict, and whether it is the fault of the
    /// template.
    #[test]
    fn a_template_is_judged_by_its_nodes() {
        use Reason::{
            ContainerConfigInvalid, CrashLooping, ImagePullFailed, NotReadyForLong, Unschedulable, VolumePending,
        };
        let crashed = |served| NodeState::Crashed { served };
        let rows = [
            (NodeState::Ready, None, false, false, NodeVerdict::Works, false),
            (NodeState::Ready, None, true, false, NodeVerdict::Settles, false),
            (NodeState::Terminating { served: false }, Some(CrashLooping), true, false, NodeVerdict::Works, false),
            (BOOTS, None, false, false, NodeVerdict::Starts, false),
            (BOOTS, Some(NotReadyForLong), false, false, NodeVerdict::NeverReady, true),
            (BOOTS_AGAIN, None, false, false, NodeVerdict::Works, false),
            (BOOTS_AGAIN, Some(NotReadyForLong), false, false, NodeVerdict::Unready, false),
            (NodeState::Unready, Some(NotReadyForLong), false, false, NodeVerdict::Unready, false),
            (NodeState::Unready, Some(NotReadyForLong), false, true, NodeVerdict::Works, false),
            (BOOTS, Some(NotReadyForLong), false, true, NodeVerdict::Works, false),
            (crashed(false), Some(CrashLooping), true, true, NodeVerdict::Crashes, true),
            (NodeState::Pending, Some(Unschedulable), false, false, NodeVerdict::CannotBePlaced, false),
            (NodeState::Pending, Some(VolumePending), false, false, NodeVerdict::CannotBePlaced, false),
            (NodeState::Pending, Some(ImagePullFailed), false, false, NodeVerdict::CannotStart, true),
            (NodeState::Pending, Some(ContainerConfigInvalid), false, false, NodeVerdict::CannotStart, true),
            (crashed(true), Some(ImagePullFailed), false, false, NodeVerdict::CannotStartAgain, false),
            (crashed(false), Some(CrashLooping), true, false, NodeVerdict::Crashes, true),
            (crashed(true), Some(CrashLooping), true, false, NodeVerdict::Unsteady, false),
            (crashed(true), None, false, false, NodeVerdict::Works, false),
            (crashed(true), None, true, false, NodeVerdict::Settles, false),
            (crashed(false), None, false, false, NodeVerdict::Starts, false),
            (crashed(false), None, true, false, NodeVerdict::NeverReady, true),
        ];
        for (state, issue, unsteady, closed, expected, fault) in rows {
            let verdict = NodeVerdict::of(state, issue, unsteady, closed);
            assert_eq!(verdict, expected, "{state:?} {issue:?} {unsteady} {closed}");
            assert_eq!(verdict.is_fault_of_template(), fault, "{verdict:?}");
        }
    }
}
