//! Configuration: files for nodes that start, API calls for nodes that run.
//!
//! *Decides* when runtime roots are sent to EMQX. An annotation of the ConfigMap remembers the revision that the running
//! nodes have; it is written after EMQX has accepted it, so a stop in between sends the same text once more, which is
//! harmless. *Holds* while no API answers: the files have the new text by then, so that nodes that restart get it.

use super::{Part, Wake};
use crate::action::{Action, Call, Stage};
use crate::build::{Manifest, config_map, config_secret, set_annotation};
use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::{Kind, Live, World};
use emqx_operator_api::annotation::RUNTIME_CONFIG_REVISION;

pub(super) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    if let Some(secret) = config_secret(desired) {
        part.ensure(world, secret, Stage::Config);
    }
    let files = config_map(desired);
    let revision = &desired.config.runtime_revision;
    match running_revision(desired, world) {
        Running::Nothing => part.ensure(world, marked(files, revision), Stage::Config),
        Running::Revision(running) if running == *revision => {
            part.ensure(world, marked(files, revision), Stage::Config);
        }
        Running::Revision(_) | Running::Unknown if world.broker.fresh().is_some() => {
            if !desired.config.runtime_roots.is_empty() {
                let text = desired.config.runtime_roots.clone();
                part.actions.push(Action::Call(Call::PutConfig { text, revision: revision.clone() }));
            }
            part.ensure(world, marked(files, revision), Stage::Marks);
        }
        Running::Revision(running) => {
            part.ensure(world, marked(files, &running), Stage::Config);
            wait_for_api(&mut part);
        }
        Running::Unknown => {
            part.ensure(world, files, Stage::Config);
            wait_for_api(&mut part);
        }
    }
    part
}

/// The revision of the runtime roots that the running nodes have.
pub(crate) enum Running {
    /// No node has ever run: the first ones read the files.
    Nothing,
    Revision(String),
    /// Nodes may have a configuration of their own, from volumes that were there before.
    Unknown,
}

pub(crate) fn running_revision(desired: &Desired, world: &World) -> Running {
    let live = world.live(Kind::ConfigMap, &desired.names.config_map());
    match live.and_then(mark) {
        Some(revision) => Running::Revision(revision),
        None if live.is_none() && world.cores.sets.is_empty() && !world.volumes_without_set => Running::Nothing,
        None => Running::Unknown,
    }
}

fn mark(live: &Live) -> Option<String> {
    live.body["metadata"]["annotations"][RUNTIME_CONFIG_REVISION].as_str().map(str::to_owned)
}

fn marked(mut files: Manifest, revision: &str) -> Manifest {
    set_annotation(&mut files, RUNTIME_CONFIG_REVISION, revision);
    files
}

fn wait_for_api(part: &mut Part) {
    let detail = "the new configuration is in the files; the running nodes get it when their API answers";
    part.hold(Reason::PendingAvailability, "spec.config", detail, Wake::Poll(5));
}
