//! A node that should go.

use super::how::How;
use crate::action::Action;
use crate::desired::Role;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Hold, Wake};
use crate::reason::Reason;
use crate::world::{Broker, Node};

/// A node that should go. Without a node it is a pod that was never made, which its set shall not make any more.
#[derive(Clone, Debug)]
pub(in crate::lifecycle) struct Removal<'a> {
    pub(in crate::lifecycle) role: Role,
    pub(in crate::lifecycle) node: Option<&'a Node>,
    pub(in crate::lifecycle) how: How,
}

/// A candidate under examination.
pub(in crate::lifecycle) struct RemovalRequest<'c, 'a> {
    pub(in crate::lifecycle) topology: &'c Topology<'a>,
    pub(in crate::lifecycle) removal: &'c Removal<'a>,
    /// Pods of all candidates: none of them is a place to move to.
    pub(in crate::lifecycle) going: &'c [&'a str],
}

/// What a check says.
pub(in crate::lifecycle) enum Verdict {
    Pass,
    /// Not now.
    Hold(Hold),
    /// Not before this was done.
    Prepare(Vec<Action>, Hold),
}

impl RemovalRequest<'_, '_> {
    pub(in crate::lifecycle) fn name(&self) -> String {
        self.removal.node.map_or_else(
            || match &self.removal.how {
                How::ScaleIn { set, .. } => set.name.clone(),
                How::Recreate => String::new(),
            },
            |node| node.pod.clone(),
        )
    }

    /// Asked again every few seconds: what objects to a removal is seldom told by Kubernetes.
    pub(in crate::lifecycle) fn hold(&self, reason: Reason, detail: impl AsRef<str>) -> Hold {
        Hold::new(reason, self.name(), detail, Wake::Poll(2))
    }
}

/// Looks at what Kubernetes tells.
pub(in crate::lifecycle) type LocalCheck = fn(&RemovalRequest<'_, '_>) -> Verdict;

/// Looks at what EMQX tells; it is not asked while EMQX does not answer, so none has to say what that means.
pub(in crate::lifecycle) type BrokerCheck = fn(&RemovalRequest<'_, '_>, &Broker) -> Verdict;
