//! One node of the cluster: a pod and the EMQX node in it.

use super::broker::{Broker, Evacuation};
use super::broker_node::BrokerNode;
use super::node_state::{Membership, NodeState, NodeVerdict};
use super::reading::Reading;
use crate::desired::{DashboardPorts, NodeName, Role};
use crate::reason::Reason;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// The names of the container ports on which the dashboard listens, unless the user has named them.
pub const HTTP_PORT: &str = "dashboard";
pub const HTTPS_PORT: &str = "dashboard-https";

/// A pod and the EMQX node in it.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub role: Role,
    pub pod: String,
    pub uid: String,
    pub resource_version: String,
    pub ip: Option<String>,
    /// Where its API listens, which may not be where the spec wants it by now; `None` when the pod does not say.
    pub dashboard: Option<DashboardPorts>,
    /// The EMQX node; a replicant has none before its pod has an address.
    pub name: Option<NodeName>,
    /// The set that owns the pod.
    pub set: String,
    /// The template revision that the pod was made from.
    pub revision: Option<String>,
    /// The startup configuration that the pod was started with.
    pub startup_revision: Option<String>,
    pub created: Timestamp,
    /// The image of the EMQX container: nodes of one image are of one version.
    pub image: String,
    /// Since when it is not ready, if it is not.
    pub unready_since: Option<Timestamp>,
    /// What its pod is doing.
    pub state: NodeState,
    /// Ready for as long as `minReadySeconds` wants.
    pub available: bool,
    /// Since when its container runs, if it does.
    pub running_since: Option<Timestamp>,
    /// ReplicaSets take pods of low cost first. Zero unless a user sets another one.
    pub deletion_cost: i32,
    /// What the pod waits for, when that is more than time.
    pub issue: Option<PodIssue>,
    /// A container has crashed again and again lately, whether it is ready at the moment or not.
    pub unsteady: bool,
    /// The operator has begun to empty it.
    pub evacuating_by_us: bool,
    /// What the EMQX cluster says of it.
    pub membership: Membership,
    /// As the EMQX cluster lists the node; `None` when it does not, or EMQX did not answer.
    pub broker: Option<BrokerNode>,
    /// It is being emptied, or is closed.
    pub evacuation: Option<Evacuation>,
}

/// A replicant waits in its boot without limit while no core of its version runs.
const HANGS_AFTER: SignedDuration = SignedDuration::from_mins(3);

impl Node {
    /// Joins it with what EMQX says.
    pub fn join(&mut self, broker: &Reading<Broker>) {
        let Some(broker) = broker.fresh() else { return };
        let name = self.name.as_ref();
        self.broker = name.and_then(|name| broker.nodes.get(name)).cloned();
        self.evacuation = name.and_then(|name| broker.evacuations.fresh()?.get(name)).cloned();
        self.membership = match &self.broker {
            Some(listed) if listed.running => Membership::Running,
            Some(_) => Membership::Stopped,
            None => Membership::Unlisted,
        };
    }

    /// The EMQX cluster says that it runs.
    pub fn is_member(&self) -> bool {
        match self.membership {
            Membership::Running => true,
            Membership::Unknown | Membership::Stopped | Membership::Unlisted => false,
        }
    }

    /// The EMQX cluster does not say that it runs: it may be cut off. Where EMQX cannot be asked, no node is known to be.
    pub fn is_cut_off(&self) -> bool {
        match self.membership {
            Membership::Stopped | Membership::Unlisted => true,
            Membership::Unknown | Membership::Running => false,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.state.is_ready()
    }

    pub fn is_terminating(&self) -> bool {
        self.state.is_terminating()
    }

    /// See [`NodeState::is_down`].
    pub fn is_down(&self) -> bool {
        self.state.is_down()
    }

    /// Neither the operator nor EMQX closes it.
    pub fn is_unclosed(&self) -> bool {
        !self.evacuating_by_us && self.evacuation.is_none()
    }

    /// It takes clients, and goes on to.
    pub fn serves(&self) -> bool {
        self.available && !self.is_terminating() && !self.is_cut_off() && self.is_unclosed()
    }

    /// It boots for so long, without being a member, that it does not get on by itself. EMQX must have said that it is no member: a
    /// node that is cut off may serve.
    pub fn hangs(&self, now: Timestamp) -> bool {
        match self.state {
            NodeState::Booting { since: Some(since), .. } => {
                self.is_cut_off() && now.duration_since(since) >= HANGS_AFTER
            }
            NodeState::Booting { since: None, .. }
            | NodeState::Pending
            | NodeState::Ready
            | NodeState::Unready
            | NodeState::Crashed { .. }
            | NodeState::Terminating { .. } => false,
        }
    }

    /// What it says of the template that it was made from.
    pub fn verdict(&self) -> NodeVerdict {
        let issue = self.issue.as_ref().map(|issue| issue.reason);
        // What the operator has begun to close may have restarted since; then only EMQX knows whether it is closed.
        let closed = self.evacuation.is_some() || (self.state == NodeState::Unready && self.evacuating_by_us);
        NodeVerdict::of(self.state, issue, self.unsteady, closed)
    }

    /// The controller of a ReplicaSet takes pods away in this order; of two that are equal, either. A node that is being
    /// emptied will stop being ready any moment.
    pub fn deletion_rank(&self) -> (bool, bool, i32) {
        let started = self.state != NodeState::Pending;
        (started, self.is_ready() && self.is_unclosed(), self.deletion_cost)
    }

    /// The number of a core.
    pub fn ordinal(&self) -> Option<i32> {
        self.pod.rsplit_once('-')?.1.parse().ok()
    }
}

/// What a pod waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PodIssue {
    pub reason: Reason,
    pub text: String,
    /// Since when.
    pub since: Option<Timestamp>,
}
