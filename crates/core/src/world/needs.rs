//! What has to be asked of EMQX. A quiet cluster costs two calls: its nodes and its evacuations.

use super::{KubernetesView, Memory, assemble};
use crate::desired::{self, Desired};

/// What a pass has to know beside the list of nodes, which it always needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub evacuations: bool,
    pub storage: bool,
    /// Whether EMQX knows the API keys of the spec.
    pub api_keys: bool,
}

/// Durable storage is asked about where the spec uses it, and before any core goes; API keys until EMQX knows them.
pub fn needs(desired: &Desired, view: &KubernetesView, memory: &Memory) -> Needs {
    let cores = assemble::unasked_cores(desired, view);
    let fewer = cores.spec_replicas() > desired.cores.replicas || cores.sets.iter().any(|set| set.retired().is_some());
    let mut revisions = cores.nodes.iter().map(|node| &node.revision).chain(cores.sets.iter().map(|set| &set.revision));
    let first = revisions.next();
    let changing = revisions.any(|revision| Some(revision) != first);
    Needs {
        evacuations: true,
        storage: desired.config.durable || fewer || changing,
        api_keys: !desired.api_keys.is_empty() && memory.api_keys != desired::digest_of_keys(&desired.api_keys),
    }
}
