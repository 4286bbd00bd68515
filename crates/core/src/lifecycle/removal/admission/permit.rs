//! The right to remove one node. Only admission can make one: no check and no rule sees how.

use crate::lifecycle::removal::how::How;
use crate::world::{Node, ObjectVersion};
use serde::Serialize;
use std::fmt;

/// The right to remove the one node that was examined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permit {
    pod: Option<(String, ObjectVersion)>,
    how: How,
    generation: i64,
    disconnects: i64,
}

impl Permit {
    pub(super) fn new(node: Option<&Node>, how: How, generation: i64) -> Permit {
        let version =
            |node: &Node| ObjectVersion { uid: node.uid.clone(), resource_version: node.resource_version.clone() };
        Permit {
            pod: node.map(|node| (node.pod.clone(), version(node))),
            how,
            generation,
            disconnects: node.and_then(|node| node.broker.as_ref()?.connections).unwrap_or(0),
        }
    }

    /// The pod and the state in which it was examined; `None` if the set has not made it.
    pub fn pod(&self) -> Option<(&str, &ObjectVersion)> {
        self.pod.as_ref().map(|(pod, version)| (pod.as_str(), version))
    }

    pub fn how(&self) -> &How {
        &self.how
    }

    /// The generation of the spec it was given for.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Clients that are cut off, because they cannot be moved or shall not be.
    pub fn disconnects(&self) -> i64 {
        self.disconnects
    }
}

impl fmt::Display for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_ref().map_or("a pod not yet made", |(pod, _)| pod.as_str());
        match &self.how {
            How::Recreate => write!(f, "restart {pod}"),
            How::ScaleIn { set, from, to } => write!(f, "remove {pod}, scaling {set} from {from} to {to}"),
        }
    }
}
