//! The core set: that it exists, that its template is the wanted one, that it has its pods.
//!
//! A changed template does not touch running pods: the set replaces nobody by itself (`OnDelete`).

use super::serving::availability_check;
use super::{Part, Wake};
use crate::build::core_set;
use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::World;
use serde_json::Value;

pub(super) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    let set = core_set(desired, availability_check(desired, world), world.claim_templates.as_ref());
    check_volume(&mut part, world.claim_templates.as_ref(), &set.claim_templates);
    part.ensure_set(world, set.manifest, desired.cores.replicas);
    part.troubles(&world.cores.sets, &world.cores.nodes);
    let told = world.cores.told();
    if told > desired.cores.replicas {
        let detail =
            format!("{told} cores exist, {} are wanted; removing cores is left to you", desired.cores.replicas);
        part.hold(Reason::ManualStepNeeded, desired.names.core_set(), detail, Wake::Watch);
    }
    let outdated = world.cores.nodes.iter().filter(|node| node.revision.as_deref() != Some(&set.revision));
    for node in outdated.filter(|node| !node.terminating) {
        let detail = "runs the previous template; delete the pod when its clients may move, its volume stays";
        part.hold(Reason::ManualStepNeeded, node.pod.clone(), detail, Wake::Watch);
    }
    part
}

fn check_volume(part: &mut Part, existing: Option<&Value>, wanted: &Value) {
    let Some(existing) = existing else { return };
    for field in ["accessModes", "resources", "storageClassName"] {
        let pointer = format!("/0/spec/{field}");
        let (existing, wanted) = (existing.pointer(&pointer), wanted.pointer(&pointer));
        if wanted.is_some() && existing != wanted {
            let subject = format!("spec.coreTemplate.spec.persistentVolumeClaimSpec.{field}");
            let detail =
                "differs from the volumes that exist; Kubernetes does not let it change, so they stay as they are";
            part.hold(Reason::VolumeImmutable, subject, detail, Wake::Watch);
        }
    }
}
