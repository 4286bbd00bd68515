//! What one rule wants, and the ways in which rules ask for objects.

use crate::action::{Action, Stage};
use crate::build::{Manifest, in_sync, set_replicas};
use crate::lifecycle::{Hold, Since, Wake};
use crate::reason::Reason;
use crate::world::ObjectVersion;
use crate::world::{Claim, Kind, Live, Node, NodeSet, ObjectId, Ownership, World};
use serde::Serialize;

/// What one rule wants.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    pub actions: Vec<Action>,
    pub holds: Vec<Hold>,
}

impl Part {
    pub(in crate::lifecycle) fn hold(
        &mut self,
        reason: Reason,
        subject: impl AsRef<str>,
        detail: impl AsRef<str>,
        wake: Wake,
    ) {
        self.holds.push(Hold::new(reason, subject, detail, wake));
    }

    /// Applies the manifest if what exists is not like it; leaves alone what belongs to another controller.
    pub(in crate::lifecycle) fn ensure(&mut self, world: &World, manifest: Manifest, stage: Stage) {
        let live = world.objects.get(&manifest.id);
        match live {
            Some(live) if self.is_taken(&manifest, live) => {}
            Some(live) if live.terminating || in_sync(&manifest, live, world.admission_drift.get(&manifest.id)) => {}
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
    pub(in crate::lifecycle) fn ensure_set(&mut self, world: &World, manifest: Manifest, replicas: i32) {
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
                if !in_sync(&manifest, live, world.admission_drift.get(&manifest.id)) {
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
    pub(in crate::lifecycle) fn pod_issues(&mut self, sets: &[NodeSet], nodes: &[Node]) {
        for set in sets {
            if let Some(refusal) = &set.refusal {
                self.hold(refusal.reason, set.name.clone(), refusal.text.clone(), Wake::Poll(30));
            }
        }
        for node in nodes {
            // One that is being emptied is not ready on purpose.
            let closed = node.evacuating_by_us || node.evacuation.is_some();
            if let Some(wait) = node.issue.as_ref().filter(|wait| !closed || wait.reason != Reason::NotReadyForLong) {
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

pub(in crate::lifecycle) fn delete_claim(claim: &Claim, because: Reason) -> Action {
    Action::Delete {
        id: ObjectId { kind: Kind::PersistentVolumeClaim, name: claim.name.clone() },
        on: ObjectVersion { uid: claim.uid.clone(), resource_version: claim.resource_version.clone() },
        because,
    }
}

pub(in crate::lifecycle) fn version(live: &Live) -> ObjectVersion {
    ObjectVersion { uid: live.uid.clone(), resource_version: live.resource_version.clone() }
}
