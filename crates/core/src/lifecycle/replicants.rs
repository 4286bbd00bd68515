//! The replicant sets: one per template, the wanted one with its pods.

use super::serving::availability_check;
use super::{Part, Wake};
use crate::build::replicant_set;
use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::World;

pub(super) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    part.troubles(&world.replicants.sets, &world.replicants.nodes);
    let Some(pool) = &desired.replicants else {
        surplus(&mut part, world, 0);
        return part;
    };
    let set = replicant_set(desired, pool, availability_check(desired, world));
    let outdated: Vec<_> =
        world.replicants.sets.iter().filter(|other| other.name != set.manifest.id.name && other.wanted > 0).collect();
    if outdated.is_empty() {
        part.ensure_set(world, set.manifest, pool.replicas);
    }
    for other in outdated {
        let detail = format!("its {} replicants run the previous template; moving them is left to you", other.wanted);
        part.hold(Reason::ManualStepNeeded, other.name.clone(), detail, Wake::Watch);
    }
    surplus(&mut part, world, pool.replicas);
    part
}

fn surplus(part: &mut Part, world: &World, wanted: i32) {
    let told = world.replicants.told();
    if told > wanted {
        let detail = format!("{told} replicants exist, {wanted} are wanted; removing replicants is left to you");
        part.hold(Reason::ManualStepNeeded, "spec.replicantTemplate.spec.replicas", detail, Wake::Watch);
    }
}
