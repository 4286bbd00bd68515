//! One node of the cluster: a pod and the EMQX node in it.

use super::broker::BrokerNode;
use crate::desired::NodeName;
use crate::reason::Reason;
use jiff::Timestamp;
use serde::Serialize;

/// A pod and the EMQX node in it.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    pub pod: String,
    pub uid: String,
    pub ip: Option<String>,
    /// The EMQX node; a replicant has none before its pod has an address.
    pub name: Option<NodeName>,
    /// The set that owns the pod.
    pub set: String,
    /// The template revision that the pod was made from.
    pub revision: Option<String>,
    /// The startup configuration that the pod was started with.
    pub startup_revision: Option<String>,
    pub created: Timestamp,
    pub ready: bool,
    /// Ready for as long as `minReadySeconds` wants.
    pub available: bool,
    pub terminating: bool,
    /// The main container runs.
    pub running: bool,
    /// What the pod waits for, when that is more than time.
    pub wait: Option<Wait>,
    /// As the EMQX cluster lists the node; `None` when it does not, or nobody could be asked.
    pub broker: Option<BrokerNode>,
}

/// What a pod waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wait {
    pub reason: Reason,
    pub text: String,
    /// Since when.
    pub since: Option<Timestamp>,
}
