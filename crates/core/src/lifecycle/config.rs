//! Configuration: files for nodes that start, API calls for nodes that run.
//!
//! *Decides* when runtime roots are sent to EMQX, and what nodes that start read. Annotations of the ConfigMap remember the
//! revision and the names of the roots that the running nodes have; they are written after EMQX has accepted them, so a stop in
//! between sends the same text once more, which is harmless. Roots that the spec has dropped are sent as empty ones, by which
//! EMQX returns to its defaults.
//!
//! *Holds* while no API answers, and while nodes of another image run, which may refuse what is new: the files have the new text
//! by then, so that nodes that restart get it. What EMQX has refused is not sent again for a while. Until then the files keep
//! what the running nodes have, and no node is restarted that serves: a node that is lost would start with what was refused.

use super::fleet::Fleet;
use super::{Part, Wake};
use crate::action::{Action, Call, Stage};
use crate::build::{BASE, Manifest, config_map, config_secret, set_annotation, with_file};
use crate::desired::{Desired, Role, RuntimeRoots};
use crate::reason::Reason;
use crate::world::{ConfigRefused, Kind, Live, Node, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emqx_operator_api::annotation::{RUNTIME_CONFIG_REVISION, RUNTIME_CONFIG_ROOTS};
use std::path::Path;

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let (desired, world) = (fleet.desired, fleet.world);
    let mut part = Part::default();
    let running = running(desired, world);
    let sends = !running.is(&desired.config.runtime_revision) && running.exists() && is_sent(fleet);
    let wanted = InForce { revision: desired.config.runtime_revision.clone(), roots: kept_roots(desired, &running) };
    // New text is in the files when EMQX has accepted it; but where there is no file yet, pods wait for one.
    let stage = if sends { Stage::Marks } else { Stage::Config };
    let is_kept = is_kept(fleet, &running);
    let kept = is_kept.then(|| accepted(desired, world)).flatten();
    let file = |manifest: Manifest| match &kept {
        Some(text) => with_file(manifest, BASE, text),
        None => manifest,
    };
    if let Some(secret) = config_secret(desired) {
        let stage = if world.objects.contains_key(&secret.id) { stage } else { Stage::Config };
        part.ensure(world, file(secret), stage);
    }
    let files = file(config_map(desired));
    match &running {
        Running::Nothing => part.ensure(world, wanted.mark(files), Stage::Config),
        Running::InForce(running) if running.revision == wanted.revision => {
            part.ensure(world, wanted.mark(files), Stage::Config);
        }
        Running::InForce(_) | Running::Unknown if sends => {
            let text = text(desired, &running);
            if !text.is_empty() {
                let revision = wanted.revision.clone();
                part.actions.push(Action::Call(Call::PutConfig { text, revision }));
            }
            part.ensure(world, wanted.mark(files), Stage::Marks);
        }
        Running::InForce(running) => {
            part.ensure(world, running.mark(files), Stage::Config);
            wait(&mut part, fleet, is_kept);
        }
        Running::Unknown => {
            part.ensure(world, files, Stage::Config);
            wait(&mut part, fleet, is_kept);
        }
    }
    part
}

/// What the running nodes have of the runtime roots.
#[derive(Clone)]
pub(crate) struct InForce {
    pub(crate) revision: String,
    pub(crate) roots: RuntimeRoots,
}

pub(crate) enum Running {
    /// No node has ever run: the first ones read the files.
    Nothing,
    InForce(InForce),
    /// Nodes may have a configuration of their own, from volumes that were there before.
    Unknown,
}

impl Running {
    fn is(&self, revision: &str) -> bool {
        matches!(self, Running::InForce(running) if running.revision == revision)
    }

    fn exists(&self) -> bool {
        !matches!(self, Running::Nothing)
    }

    fn roots(&self) -> Option<&RuntimeRoots> {
        match self {
            Running::InForce(running) => Some(&running.roots),
            Running::Nothing | Running::Unknown => None,
        }
    }
}

pub(crate) fn running(desired: &Desired, world: &World) -> Running {
    let live = world.live(Kind::ConfigMap, &desired.names.config_map());
    match live.and_then(InForce::read) {
        Some(running) => Running::InForce(running),
        None if live.is_none() && world.cores.sets.is_empty() && !world.volumes_without_set => Running::Nothing,
        None => Running::Unknown,
    }
}

impl InForce {
    fn read(live: &Live) -> Option<InForce> {
        let annotation = |key: &str| live.body["metadata"]["annotations"][key].as_str();
        let revision = annotation(RUNTIME_CONFIG_REVISION)?.to_owned();
        // Earlier versions of the operator did not write the names down; what they have sent is in the file.
        let roots = annotation(RUNTIME_CONFIG_ROOTS).map(RuntimeRoots::read);
        let roots =
            roots.unwrap_or_else(|| RuntimeRoots::of_text(live.body["data"][BASE].as_str().unwrap_or_default()));
        Some(InForce { revision, roots })
    }

    fn mark(&self, mut files: Manifest) -> Manifest {
        set_annotation(&mut files, RUNTIME_CONFIG_REVISION, &self.revision);
        set_annotation(&mut files, RUNTIME_CONFIG_ROOTS, &self.roots.write());
        files
    }
}

/// The roots that EMQX has when it has accepted those of the spec: dropped ones that are not reset stay.
fn kept_roots(desired: &Desired, running: &Running) -> RuntimeRoots {
    let wanted = &desired.config.runtime_roots;
    running.roots().map_or_else(|| wanted.clone(), |before| wanted.with(&before.left_beside(wanted)))
}

/// Roots that the spec has dropped and that EMQX keeps.
pub(crate) fn left(desired: &Desired, world: &World) -> RuntimeRoots {
    let running = running(desired, world);
    running.roots().map(|before| before.left_beside(&desired.config.runtime_roots)).unwrap_or_default()
}

/// What is sent: the roots of the spec, and those that it has dropped as empty ones.
fn text(desired: &Desired, running: &Running) -> String {
    let wanted = &desired.config.runtime_roots;
    let dropped = running.roots().map(|before| before.resets_beside(wanted)).unwrap_or_default();
    format!("{dropped}{}", desired.config.runtime)
}

/// Whether the files keep what they have: EMQX has refused what is new, or cannot be asked. A core that is lost comes up with
/// that, and is asked then. Where the image changes, too, nodes that start may need what is new; and where a core crashes with
/// what the files have, what is new may be the cure.
fn is_kept(fleet: &Fleet<'_>, running: &Running) -> bool {
    let differs = matches!(running, Running::InForce(_)) && !running.is(&fleet.desired.config.runtime_revision);
    let crashes = |core: &Node| core.wait.as_ref().is_some_and(|wait| wait.reason == Reason::CrashLooping);
    let cured = fleet.world.nodes().any(|node| fleet.has_other_image(node)) || fleet.present(Role::Core).any(crashes);
    let unasked = fleet.world.broker.fresh().is_none() && !cured;
    differs && (refused(fleet).is_some() || unasked)
}

/// What EMQX refuses, unless it only waits for a file that nodes get when they restart.
fn refused<'f>(fleet: &'f Fleet<'_>) -> Option<&'f str> {
    let refusal = fleet.world.config_refused.as_ref()?;
    let restarts = fleet.outdated(Role::Core).chain(fleet.outdated(Role::Replicant)).next().is_some();
    (!(restarts && comes_with_template(fleet, refusal))).then_some(&refusal.text)
}

/// What EMQX misses is where the wanted templates mount something. To restart a node for a file that nobody brings would have it
/// crash. Where EMQX does not name the file, those of the configuration count.
fn comes_with_template(fleet: &Fleet<'_>, refusal: &ConfigRefused) -> bool {
    let names_it = words(&refusal.text).any(|word| word.starts_with('/'));
    let text = if names_it { &refusal.text } else { &fleet.desired.config.runtime };
    let pools = std::iter::once(&fleet.desired.cores).chain(&fleet.desired.replicants);
    let mut mounts = pools.flat_map(|pool| &pool.template.extra_volume_mounts);
    refusal.lacks_a_file && mounts.any(|mount| words(text).any(|word| Path::new(word).starts_with(&mount.mount_path)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "\"',;()".contains(letter))
}

/// The text that EMQX accepted last, if it may stand where the new one would.
fn accepted(desired: &Desired, world: &World) -> Option<String> {
    let of = |kind, name: &str| world.live(kind, name)?.body["data"][BASE].as_str().map(str::to_owned);
    let plain = of(Kind::ConfigMap, &desired.names.config_map());
    if plain.is_some() || !desired.config.secret {
        return plain;
    }
    let encoded = of(Kind::Secret, &desired.names.config_secret())?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

fn is_sent(fleet: &Fleet<'_>) -> bool {
    let world = fleet.world;
    world.broker.fresh().is_some() && world.config_refused.is_none() && !fleet.changes_image()
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
    let running = running(fleet.desired, fleet.world);
    if !running.exists() || running.is(&fleet.desired.config.runtime_revision) {
        Progress::Settled
    } else if refused(fleet).is_some() {
        Progress::Refused
    } else if is_sent(fleet) && !text(fleet.desired, &running).is_empty() {
        Progress::OnTheirWay
    } else {
        Progress::Settled
    }
}

fn wait(part: &mut Part, fleet: &Fleet<'_>, is_kept: bool) {
    let world = fleet.world;
    if let Some(refusal) = refused(fleet) {
        let detail = format!(
            "{refusal} (all nodes keep the configuration that they have, and so do those that start; correct spec.config.roots)"
        );
        part.hold(Reason::ConfigRejected, "spec.config", detail, Wake::Poll(30));
        return;
    }
    if let Some(refusal) = &world.config_refused {
        let detail =
            format!("the nodes restart, and get the new configuration with the file that they lack: {}", refusal.text);
        part.hold(Reason::PendingAvailability, "spec.config", detail, Wake::Poll(5));
        return;
    }
    let detail = if world.broker.fresh().is_some() {
        "the new configuration is in the files; the running nodes get it when all have the new image"
    } else if is_kept {
        "the nodes get the new configuration when their API answers"
    } else {
        "the new configuration is in the files; the running nodes get it when their API answers"
    };
    part.hold(Reason::PendingAvailability, "spec.config", detail, Wake::Poll(5));
}
