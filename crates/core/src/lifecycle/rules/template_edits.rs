//! Pod templates that something else has changed, such as `kubectl rollout restart`. Sets of cores replace no pod by themselves,
//! and sets of replicants never do, so such a change would lie in wait for the next pod that is made.
//!
//! *Decides* that the template is taken back, once a minute at most: a controller that insists is not fought. *Never* touches
//! a set that is about to get another template anyway, or one that is not the operator's.

use crate::action::Action;
use crate::build::{Manifest, in_sync};
use crate::lifecycle::Part;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::part::version;
use jiff::SignedDuration;

const REST: SignedDuration = SignedDuration::from_mins(1);

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let (mut part, world) = (Part::default(), topology.world);
    let restored = world.memory.template_restored;
    if restored.is_some_and(|restored| world.now.duration_since(restored) < REST) {
        return part;
    }
    let homes = [Some(&topology.core_set.manifest), topology.replicant_set.as_ref().map(|set| &set.manifest)];
    part.actions.extend(homes.into_iter().flatten().filter_map(|manifest| restore(topology, manifest)));
    part
}

fn restore(topology: &Topology<'_>, manifest: &Manifest) -> Option<Action> {
    let world = topology.world;
    let edited_by = world.edited_templates.get(&manifest.id.name)?.clone();
    let live = world.objects.get(&manifest.id).filter(|live| live.is_ours())?;
    in_sync(manifest, live, world.admission_drift.get(&manifest.id)).then(|| Action::RestoreTemplate {
        set: manifest.id.clone(),
        on: version(live),
        template: manifest.body["spec"]["template"].clone(),
        edited_by,
    })
}
