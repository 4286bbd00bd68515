//! Pod templates that something else has changed, such as `kubectl rollout restart`. Sets of cores replace no pod by themselves,
//! and sets of replicants never do, so such a change would lie in wait for the next pod that is made.
//!
//! *Decides* that the template is taken back, once a minute at most: a controller that insists is not fought. *Never* touches
//! a set that is about to get another template anyway, or one that is not the operator's.

use super::fleet::Fleet;
use super::{Part, is_as_applied, is_ours, version};
use crate::action::Action;
use crate::build::Manifest;
use jiff::SignedDuration;

const REST: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let (mut part, world) = (Part::default(), fleet.world);
    let restored = world.memory.template_restored;
    if restored.is_some_and(|restored| world.now.duration_since(restored) < REST) {
        return part;
    }
    let homes = [Some(&fleet.core_set.manifest), fleet.replicant_set.as_ref().map(|set| &set.manifest)];
    part.actions.extend(homes.into_iter().flatten().filter_map(|manifest| restore(fleet, manifest)));
    part
}

fn restore(fleet: &Fleet<'_>, manifest: &Manifest) -> Option<Action> {
    let world = fleet.world;
    let edited_by = world.edited_templates.get(&manifest.id.name)?.clone();
    let live = world.objects.get(&manifest.id).filter(|live| is_ours(live))?;
    is_as_applied(world, manifest, live).then(|| Action::RestoreTemplate {
        set: manifest.id.clone(),
        on: version(live),
        template: manifest.body["spec"]["template"].clone(),
        edited_by,
    })
}
