//! The core set that the cores are to live in: that it exists, that its template is the wanted one, that it has its pods.
//!
//! A changed template does not touch running pods: the set replaces no pod by itself (`OnDelete`); [`crate::lifecycle::removal`]
//! does, one node after the other.

use crate::build::claim_templates;
use crate::desired::Role;
use crate::lifecycle::facts::recreation;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{Kind, NodeSet};
use serde_json::Value;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let (wanted, world) = (topology.wanted(Role::Core), topology.world);
    let mut part = Part::default();
    part.pod_issues(&world.cores.sets, &world.cores.nodes);
    if recreation::is_due(topology) {
        return part;
    }
    let name = &topology.core_set.manifest.id.name;
    let existing = world.live(Kind::StatefulSet, name).and_then(claim_templates);
    check_volume(&mut part, existing, &topology.core_set.claim_templates);
    let existing = topology.target_set(Role::Core);
    let told = existing.map_or(0, |set| set.wanted);
    let free = existing.is_none_or(NodeSet::may_grow);
    let replicas = if free { wanted } else { told };
    part.ensure_set(world, topology.core_set.manifest.clone(), replicas);
    for core in topology.outdated(Role::Core) {
        let followers = topology.followers(core);
        if followers > 0 {
            let text = format!("is kept while {followers} replicants of its version follow it");
            part.hold(Reason::WaitingForOrder, core.pod.clone(), text, Wake::Watch);
        }
    }
    if !free && told < wanted {
        let text = "waits until nothing is left of the cores that had these numbers before";
        part.hold(Reason::RetiringCore, name.clone(), text, Wake::Poll(2));
    }
    part
}

fn check_volume(part: &mut Part, existing: Option<&Value>, wanted: &Value) {
    let Some(existing) = existing else { return };
    for field in ["accessModes", "storageClassName"] {
        let pointer = format!("/0/spec/{field}");
        let (existing, wanted) = (existing.pointer(&pointer), wanted.pointer(&pointer));
        if wanted.is_some() && existing != wanted {
            let subject = format!("spec.coreTemplate.spec.persistentVolumeClaimSpec.{field}");
            let existing = existing.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let detail = format!(
                "differs from the volumes that exist; Kubernetes does not let it change, so they stay as they are. Set it back \
                 to {existing}"
            );
            part.hold(Reason::VolumeImmutable, subject, detail, Wake::Watch);
        }
    }
}
