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

use crate::action::{Action, Call, Stage};
use crate::build::{BASE, Manifest, config_map, config_secret, with_file};
use crate::desired::{Desired, Role, RuntimeRoots};
use crate::lifecycle::facts::config::{InForce, Running, is_sent, refused, running, text};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{Kind, Node, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let (desired, world) = (topology.desired, topology.world);
    let mut part = Part::default();
    let running = running(desired, world);
    let sends = !running.is(&desired.config.runtime_revision) && running.exists() && is_sent(topology);
    let wanted = InForce { revision: desired.config.runtime_revision.clone(), roots: kept_roots(desired, &running) };
    // New text is in the files when EMQX has accepted it; but where there is no file yet, pods wait for one.
    let stage = if sends { Stage::Marks } else { Stage::Config };
    let is_kept = is_kept(topology, &running);
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
            wait(&mut part, topology, is_kept);
        }
        Running::Unknown => {
            part.ensure(world, files, Stage::Config);
            wait(&mut part, topology, is_kept);
        }
    }
    part
}

/// The roots that EMQX has when it has accepted those of the spec: dropped ones that are not reset stay.
fn kept_roots(desired: &Desired, running: &Running) -> RuntimeRoots {
    let wanted = &desired.config.runtime_roots;
    running.roots().map_or_else(|| wanted.clone(), |before| wanted.with(&before.left_beside(wanted)))
}

/// Whether the files keep what they have: EMQX has refused what is new, or cannot be asked. A core that is lost comes up with
/// that, and is asked then. Where the image changes, too, nodes that start may need what is new; and where a core crashes with
/// what the files have, what is new may be the cure.
fn is_kept(topology: &Topology<'_>, running: &Running) -> bool {
    let differs = matches!(running, Running::InForce(_)) && !running.is(&topology.desired.config.runtime_revision);
    let crashes = |core: &Node| core.wait.as_ref().is_some_and(|wait| wait.reason == Reason::CrashLooping);
    let cured =
        topology.world.nodes().any(|node| topology.has_other_image(node)) || topology.present(Role::Core).any(crashes);
    let unasked = topology.world.broker.fresh().is_none() && !cured;
    differs && (refused(topology).is_some() || unasked)
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

fn wait(part: &mut Part, topology: &Topology<'_>, is_kept: bool) {
    let world = topology.world;
    if let Some(refusal) = refused(topology) {
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
