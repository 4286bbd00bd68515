//! What the running nodes have of the configuration, and how far that of the spec is.

use super::topology::Topology;
use crate::build::{BASE, Manifest, set_annotation};
use crate::desired::{Desired, Role, RuntimeRoots};
use crate::world::{ConfigRefused, Kind, Live, World};
use emqx_operator_api::annotation::{RUNTIME_CONFIG_REVISION, RUNTIME_CONFIG_ROOTS};
use std::path::Path;

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
    pub(in crate::lifecycle) fn is(&self, revision: &str) -> bool {
        matches!(self, Running::InForce(running) if running.revision == revision)
    }

    pub(in crate::lifecycle) fn exists(&self) -> bool {
        !matches!(self, Running::Nothing)
    }

    pub(in crate::lifecycle) fn roots(&self) -> Option<&RuntimeRoots> {
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
    pub(in crate::lifecycle) fn read(live: &Live) -> Option<InForce> {
        let annotation = |key: &str| live.body["metadata"]["annotations"][key].as_str();
        let revision = annotation(RUNTIME_CONFIG_REVISION)?.to_owned();
        // Earlier versions of the operator did not write the names down; what they have sent is in the file.
        let roots = annotation(RUNTIME_CONFIG_ROOTS).map(RuntimeRoots::read);
        let roots =
            roots.unwrap_or_else(|| RuntimeRoots::of_text(live.body["data"][BASE].as_str().unwrap_or_default()));
        Some(InForce { revision, roots })
    }

    pub(in crate::lifecycle) fn mark(&self, mut files: Manifest) -> Manifest {
        set_annotation(&mut files, RUNTIME_CONFIG_REVISION, &self.revision);
        set_annotation(&mut files, RUNTIME_CONFIG_ROOTS, &self.roots.write());
        files
    }
}

/// Roots that the spec has dropped and that EMQX keeps.
pub(crate) fn left(desired: &Desired, world: &World) -> RuntimeRoots {
    let running = running(desired, world);
    running.roots().map(|before| before.left_beside(&desired.config.runtime_roots)).unwrap_or_default()
}

/// What is sent: the roots of the spec, and those that it has dropped as empty ones.
pub(in crate::lifecycle) fn text(desired: &Desired, running: &Running) -> String {
    let wanted = &desired.config.runtime_roots;
    let dropped = running.roots().map(|before| before.resets_beside(wanted)).unwrap_or_default();
    format!("{dropped}{}", desired.config.runtime)
}

/// What EMQX refuses, unless it only waits for a file that nodes get when they restart.
pub(in crate::lifecycle) fn refused<'f>(topology: &'f Topology<'_>) -> Option<&'f str> {
    let refusal = topology.world.config_refused.as_ref()?;
    let restarts = topology.outdated(Role::Core).chain(topology.outdated(Role::Replicant)).next().is_some();
    (!(restarts && comes_with_template(topology, refusal))).then_some(&refusal.text)
}

/// What EMQX misses is where the wanted templates mount something. A node that restarts for a file that no template brings
/// would crash. Where EMQX does not name the file, those of the configuration count.
fn comes_with_template(topology: &Topology<'_>, refusal: &ConfigRefused) -> bool {
    let names_it = words(&refusal.text).any(|word| word.starts_with('/'));
    let text = if names_it { &refusal.text } else { &topology.desired.config.runtime };
    let pools = std::iter::once(&topology.desired.cores).chain(&topology.desired.replicants);
    let mut mounts = pools.flat_map(|pool| &pool.template.extra_volume_mounts);
    refusal.lacks_a_file && mounts.any(|mount| words(text).any(|word| Path::new(word).starts_with(&mount.mount_path)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| letter.is_whitespace() || "\"',;()".contains(letter))
}

pub(in crate::lifecycle) fn is_sent(topology: &Topology<'_>) -> bool {
    let world = topology.world;
    world.broker.fresh().is_some() && world.config_refused.is_none() && !topology.changes_image()
}

/// How far the runtime roots of the spec are, as far as it matters to nodes that are to restart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::lifecycle) enum Progress {
    /// They are in force, or come with the nodes that start.
    InPlace,
    /// They are sent in this very pass, and EMQX may refuse them.
    OnTheirWay,
    Refused,
}

pub(in crate::lifecycle) fn progress(topology: &Topology<'_>) -> Progress {
    let running = running(topology.desired, topology.world);
    if !running.exists() || running.is(&topology.desired.config.runtime_revision) {
        Progress::InPlace
    } else if refused(topology).is_some() {
        Progress::Refused
    } else if is_sent(topology) && !text(topology.desired, &running).is_empty() {
        Progress::OnTheirWay
    } else {
        Progress::InPlace
    }
}

/// The revision of the runtime roots that the running nodes have, where it is known.
pub(crate) fn running_revision(desired: &Desired, world: &World) -> Option<String> {
    match running(desired, world) {
        Running::InForce(running) => Some(running.revision),
        Running::Nothing | Running::Unknown => None,
    }
}
