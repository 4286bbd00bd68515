//! The rules. Each file has one public function `plan(&Desired, &World) -> Part`; parts do not see each other, and what
//! one did is seen by the others in the next snapshot. Order of execution belongs to the actions, not to this list.

mod admission;
mod apart;
mod api_keys;
mod candidate;
mod checks;
mod config;
mod cores;
mod discarding;
mod durable_storage;
mod edited;
mod fleet;
mod hold;
mod home;
mod identity;
mod license;
mod locked_out;
mod lost_volumes;
mod marks;
mod objects;
mod references;
mod remaking;
mod removal;
mod reopening;
mod replicants;
mod retirement;
mod rolling;
mod rollout;
mod serving;
mod upgrade;
mod upgrade_paths;
mod versions;
mod volumes;

pub use admission::Permit;
pub(crate) use api_keys::known as known_api_keys;
pub use candidate::How;
pub(crate) use config::left as left_config;
pub use hold::{Hold, Since, Wake};
pub use serving::listeners_role;
pub(crate) use versions::told as told_version;

use crate::action::{Action, Stage, Version};
use crate::build::{Manifest, in_sync, set_replicas};
use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::{Claim, Kind, Live, Node, NodeSet, ObjectId, Ownership, Rollout, World};
use serde::Serialize;

/// What one rule wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub actions: Vec<Action>,
    pub holds: Vec<Hold>,
}

/// Rules about objects.
const RULES: &[fn(&Desired, &World) -> Part] = &[references::plan, identity::plan, locked_out::plan];

/// Rules about nodes, which share what is known about the sets.
const NODE_RULES: &[fn(&fleet::Fleet<'_>) -> Part] = &[
    objects::plan,
    config::plan,
    api_keys::plan,
    cores::plan,
    remaking::plan,
    replicants::plan,
    removal::plan,
    reopening::plan,
    durable_storage::plan,
    retirement::plan,
    lost_volumes::plan,
    apart::plan,
    discarding::plan,
    volumes::plan,
    edited::plan,
];

/// Those that run while no node is to be changed: what was closed is opened again.
const RULES_OF_REST: &[fn(&fleet::Fleet<'_>) -> Part] = &[reopening::plan];

/// The revisions of the wanted templates.
pub(crate) struct Revisions {
    pub(crate) cores: String,
    pub(crate) replicants: Option<String>,
}

/// What all rules together want. They do not see each other; what one did is seen by the others in the next snapshot. Only
/// the last one sees what the others wait for.
pub(crate) fn parts(desired: &Desired, world: &World) -> (Vec<Part>, Revisions, Option<Rollout>) {
    let fleet = fleet::Fleet::new(desired, world);
    let rules = if fleet.keeps_nodes() { RULES_OF_REST } else { NODE_RULES };
    let mut parts: Vec<_> = rules.iter().map(|rule| rule(&fleet)).collect();
    parts.push(license::plan(&fleet));
    parts.push(upgrade::plan(&fleet));
    parts.extend(RULES.iter().map(|rule| rule(desired, world)));
    let rollout = rollout::follow(&fleet);
    let holds: Vec<_> = parts.iter().flat_map(|part| part.holds.clone()).collect();
    parts.push(rollout::plan(&fleet, rollout.as_ref(), &holds));
    let replicants = fleet.replicant_set.map(|set| set.revision);
    (parts, Revisions { cores: fleet.core_set.revision, replicants }, rollout)
}

impl Part {
    fn hold(&mut self, reason: Reason, subject: impl AsRef<str>, detail: impl AsRef<str>, wake: Wake) {
        self.holds.push(Hold::new(reason, subject, detail, wake));
    }

    /// Applies the manifest if what exists is not like it; leaves alone what belongs to somebody else.
    fn ensure(&mut self, world: &World, manifest: Manifest, stage: Stage) {
        let live = world.objects.get(&manifest.id);
        match live {
            Some(live) if self.is_taken(&manifest, live) => {}
            Some(live) if live.terminating || is_as_applied(world, &manifest, live) => {}
            Some(live) => self.actions.push(Action::Apply { on: version(live), manifest, stage }),
            None => self.actions.push(Action::Create { manifest, stage }),
        }
    }

    fn is_taken(&mut self, manifest: &Manifest, live: &Live) -> bool {
        let Ownership::Foreign(owner) = &live.ownership else { return false };
        let detail = format!("belongs to {owner}; the operator needs this name and leaves the object alone");
        self.hold(Reason::NameTaken, manifest.id.to_string(), detail, Wake::Watch);
        true
    }

    /// Applies the template of a set and raises the number of its pods; lowering it is not the business of this.
    fn ensure_set(&mut self, world: &World, manifest: Manifest, replicas: i32) {
        let id = manifest.id.clone();
        let mut manifest = manifest;
        match world.objects.get(&id) {
            None => {
                set_replicas(&mut manifest, replicas);
                self.actions.push(Action::Create { manifest, stage: Stage::Workload });
            }
            Some(live) if self.is_taken(&manifest, live) || live.terminating => {}
            Some(live) => {
                let told =
                    live.body["spec"]["replicas"].as_i64().and_then(|told| i32::try_from(told).ok()).unwrap_or(1);
                if !is_as_applied(world, &manifest, live) {
                    // A set applied without a number would fall back to one pod; the version makes "as it is" safe.
                    set_replicas(&mut manifest, told);
                    self.actions.push(Action::Apply { manifest, on: version(live), stage: Stage::Workload });
                }
                if told < replicas {
                    self.actions.push(Action::Scale { set: id, from: told, to: replicas });
                }
            }
        }
    }

    /// What keeps the pods of a pool from getting ready, one hold per kind of trouble.
    fn troubles(&mut self, sets: &[NodeSet], nodes: &[Node]) {
        for set in sets {
            if let Some(refusal) = &set.refusal {
                self.hold(refusal.reason, set.name.clone(), refusal.text.clone(), Wake::Poll(30));
            }
        }
        for node in nodes {
            // One that is being emptied is not ready on purpose.
            let closed = node.marked || node.evacuation.is_some();
            if let Some(wait) = node.wait.as_ref().filter(|wait| !closed || wait.reason != Reason::NotReadyForLong) {
                let hold = Hold::new(wait.reason, node.pod.as_str(), wait.text.as_str(), Wake::Watch);
                self.holds.push(match wait.reason {
                    Reason::Unschedulable | Reason::VolumePending | Reason::StuckTerminating => {
                        hold.since(wait.since.map(Since::Told))
                    }
                    _ => hold.not_ready(wait.since),
                });
            }
        }
    }
}

fn is_as_applied(world: &World, manifest: &Manifest, live: &Live) -> bool {
    in_sync(manifest, live, world.rewritten.get(&manifest.id))
}

/// Only what we made ourselves is deleted.
fn is_ours(live: &Live) -> bool {
    live.ownership == Ownership::Ours && !live.terminating
}

fn delete_claim(claim: &Claim, because: Reason) -> Action {
    Action::Delete {
        id: ObjectId { kind: Kind::PersistentVolumeClaim, name: claim.name.clone() },
        on: Version { uid: claim.uid.clone(), resource_version: claim.resource_version.clone() },
        because,
    }
}

fn version(live: &Live) -> Version {
    Version { uid: live.uid.clone(), resource_version: live.resource_version.clone() }
}

/// The revision of the runtime roots that the running nodes have, where it is known.
pub(crate) fn running_config_revision(desired: &Desired, world: &World) -> Option<String> {
    match config::running(desired, world) {
        config::Running::InForce(running) => Some(running.revision),
        config::Running::Nothing | config::Running::Unknown => None,
    }
}
