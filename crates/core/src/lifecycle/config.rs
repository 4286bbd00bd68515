//! Configuration: files for nodes that start, API calls for nodes that run.
//!
//! *Decides* when runtime roots are sent to EMQX. An annotation of the ConfigMap remembers the revision that the running
//! nodes have; it is written after EMQX has accepted it, so a stop in between sends the same text once more, which is
//! harmless. *Holds* while no API answers, and while nodes of another image run, which may refuse what is new: the files
//! have the new text by then, so that nodes that restart get it. What EMQX has refused is not sent again for a while, and
//! until then no node is restarted that serves: it would start with it.

use super::fleet::Fleet;
use super::{Part, Wake};
use crate::action::{Action, Call, Stage};
use crate::build::{Manifest, config_map, config_secret, set_annotation};
use crate::desired::{Desired, Role};
use crate::reason::Reason;
use crate::world::{Kind, Live, World};
use emqx_operator_api::annotation::RUNTIME_CONFIG_REVISION;

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let (desired, world) = (fleet.desired, fleet.world);
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
        Running::Revision(_) | Running::Unknown if is_sent(fleet) => {
            if !desired.config.runtime.is_empty() {
                let text = desired.config.runtime.clone();
                part.actions.push(Action::Call(Call::PutConfig { text, revision: revision.clone() }));
            }
            part.ensure(world, marked(files, revision), Stage::Marks);
        }
        Running::Revision(running) => {
            part.ensure(world, marked(files, &running), Stage::Config);
            wait(&mut part, world);
        }
        Running::Unknown => {
            part.ensure(world, files, Stage::Config);
            wait(&mut part, world);
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

/// Nodes of another release are in the cluster, which may not know what the new configuration has. New nodes read it from the
/// files.
fn changes_image(fleet: &Fleet<'_>) -> bool {
    let mut outdated = fleet.outdated(Role::Core).chain(fleet.outdated(Role::Replicant));
    let images = [Some(fleet.desired.image.reference.as_str()), fleet.rewritten_image()];
    outdated.any(|node| node.is_member() && !images.contains(&Some(node.image.as_str())))
}

fn is_sent(fleet: &Fleet<'_>) -> bool {
    let world = fleet.world;
    world.broker.fresh().is_some() && world.config_refused.is_none() && !changes_image(fleet)
}

/// How far the runtime roots of the spec are, as far as it matters to nodes that are to restart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// They are in force, or come with the nodes that start.
    Settled,
    /// They are sent in this very pass, and EMQX may refuse them.
    OnTheirWay,
    Refused,
}

pub(super) fn progress(fleet: &Fleet<'_>) -> Progress {
    let config = &fleet.desired.config;
    match running_revision(fleet.desired, fleet.world) {
        Running::Nothing => Progress::Settled,
        Running::Revision(running) if running == config.runtime_revision => Progress::Settled,
        Running::Revision(_) | Running::Unknown if fleet.world.config_refused.is_some() => Progress::Refused,
        Running::Revision(_) | Running::Unknown if is_sent(fleet) && !config.runtime.is_empty() => Progress::OnTheirWay,
        Running::Revision(_) | Running::Unknown => Progress::Settled,
    }
}

fn wait(part: &mut Part, world: &World) {
    if let Some(refusal) = &world.config_refused {
        let detail = format!("{refusal} (no node that serves is restarted with it; correct spec.config.roots)");
        part.hold(Reason::ConfigRejected, "spec.config", detail, Wake::Poll(30));
        return;
    }
    let when = if world.broker.fresh().is_some() { "when all have the new image" } else { "when their API answers" };
    let detail = format!("the new configuration is in the files; the running nodes get it {when}");
    part.hold(Reason::PendingAvailability, "spec.config", detail, Wake::Poll(5));
}
