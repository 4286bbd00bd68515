//! One node of the cluster: a pod and the EMQX node in it.

use super::broker::Evacuation;
use super::broker_node::BrokerNode;
use crate::desired::{DashboardPorts, NodeName, Role};
use crate::reason::Reason;
use jiff::Timestamp;
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
    pub ready: bool,
    /// Ready for as long as `minReadySeconds` wants.
    pub available: bool,
    pub terminating: bool,
    /// The main container runs.
    pub running: bool,
    /// Since when, if it does.
    pub running_since: Option<Timestamp>,
    /// Any container has ever run: the pod is past its phase Pending.
    pub started: bool,
    /// ReplicaSets take pods of low cost first. Zero unless somebody says otherwise.
    pub deletion_cost: i32,
    /// What the pod waits for, when that is more than time.
    pub wait: Option<Wait>,
    /// A container has crashed again and again lately, whether it is ready at the moment or not.
    pub unsteady: bool,
    /// It has not been ready since it was created, so it never had a client through a Service.
    pub never_ready: bool,
    /// The operator has begun to empty it.
    pub marked: bool,
    /// As the EMQX cluster lists the node; `None` when it does not, or nobody could be asked.
    pub broker: Option<BrokerNode>,
    /// It is being emptied, or is closed.
    pub evacuation: Option<Evacuation>,
}

impl Node {
    /// Whether the EMQX cluster says that it runs.
    pub fn is_member(&self) -> bool {
        self.broker.as_ref().is_some_and(|broker| broker.running)
    }

    /// It has never served, or its container does not run: nobody loses anything when its pod is replaced.
    pub fn is_down(&self) -> bool {
        !self.ready && (self.never_ready || !self.running)
    }

    /// Since when it has been booting: it runs, and has not been ready since its container started, so nobody is on it.
    pub fn booting_since(&self) -> Option<Timestamp> {
        let started = self.running_since?;
        self.unready_since.filter(|unready| *unready <= started || self.never_ready).map(|_| started)
    }

    /// The controller of a ReplicaSet takes pods away in this order; of two that are equal, either. A node that is being
    /// emptied will stop being ready any moment.
    pub fn victim_rank(&self) -> (bool, bool, i32) {
        let stays_ready = self.ready && !self.marked && self.evacuation.is_none();
        (self.started, stays_ready, self.deletion_cost)
    }

    /// The number of a core.
    pub fn ordinal(&self) -> Option<i32> {
        self.pod.rsplit_once('-')?.1.parse().ok()
    }
}

/// What a pod waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wait {
    pub reason: Reason,
    pub text: String,
    /// Since when.
    pub since: Option<Timestamp>,
}
