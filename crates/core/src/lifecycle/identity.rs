//! The Secrets that make nodes one cluster.
//!
//! *Decides* whether they have to be made. *Never* replaces one that exists: a node with another cookie is a stranger.
//! The bootstrap keys are kept as the spec says; EMQX reads them when a core starts.

use super::Part;
use crate::action::{Action, Stage};
use crate::build::{Manifest, api_key_secret, cookie_secret};
use crate::desired::Desired;
use crate::world::World;

pub(super) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    create_or_keep(&mut part, world, cookie_secret(desired, world));
    create_or_keep(&mut part, world, api_key_secret(desired, world));
    part
}

/// Creation fails where the object exists already, so a stale snapshot cannot overwrite an identity.
fn create_or_keep(part: &mut Part, world: &World, manifest: Manifest) {
    if world.objects.contains_key(&manifest.id) {
        part.ensure(world, manifest, Stage::Identity);
    } else {
        part.actions.push(Action::Create(manifest));
    }
}
