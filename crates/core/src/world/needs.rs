//! What has to be asked of EMQX. A quiet cluster costs two calls: its nodes and its evacuations.

use super::{KubernetesView, assemble};
use crate::desired::{Desired, Role};

/// What a pass has to know beside the list of nodes, which it always needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub evacuations: bool,
    pub storage: bool,
}

/// Durable storage is asked about where the spec uses it, and before any core goes.
pub fn needs(desired: &Desired, view: &KubernetesView) -> Needs {
    let cores = assemble::nodes(desired, view, Role::Core);
    let numbers = view.stateful_sets.iter().filter_map(|set| set.spec.as_ref()?.replicas);
    let told: i32 = numbers.sum();
    let fewer = told > desired.cores.replicas || assemble::retiring(view);
    let sets = assemble::core_revisions(view);
    let revisions: Vec<_> = cores.iter().map(|node| &node.revision).chain(&sets).collect();
    let changing = revisions.windows(2).any(|pair| pair[0] != pair[1]);
    Needs { evacuations: true, storage: desired.config.durable || fewer || changing }
}
