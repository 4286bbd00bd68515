//! Objects that pods need and that do not exist. Kubernetes says so in the events of a pod, when it gets there; we say
//! it at once and name the field.

use crate::desired::Desired;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::World;

pub(in crate::lifecycle) fn plan(desired: &Desired, _: &World) -> Part {
    let mut part = Part::default();
    for reference in &desired.missing {
        let detail = format!(
            "{} {} does not exist in namespace {}; create it, or correct the reference",
            reference.kind.noun(),
            reference.name,
            desired.names.namespace,
        );
        part.hold(Reason::MissingReference, reference.path.clone(), detail, Wake::Watch);
    }
    part
}
