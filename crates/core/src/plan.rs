//! From the desired state and the observed world to actions, holds and a report: the one entry point of the core.

use crate::action::{Action, Call, Stage};
use crate::desired::Desired;
use crate::lifecycle::{self, Hold, Wake};
use crate::planted::{Bug, planted};
use crate::status::{self, Report};
use crate::world::{Kind, Memory, World};
use serde::Serialize;
use std::fmt;

/// Actions to carry out, holds that wait, and the report for users. A value that can be compared, printed and replayed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Sorted by stage.
    pub actions: Vec<Action>,
    pub holds: Vec<Hold>,
    pub report: Report,
    pub wake: Wake,
    /// What this reconcile leaves to the next one.
    pub memory: Memory,
}

/// How often EMQX is asked at rest, in seconds.
const AT_REST: u32 = 60;
/// How often EMQX is asked for its members while nodes start, in seconds.
const WHILE_STARTING: u32 = 2;

/// Total and deterministic: the same arguments give the same plan, byte for byte.
pub fn plan(desired: &Desired, world: &World) -> Plan {
    let (parts, revisions, rollout) = lifecycle::parts(desired, world);
    let mut holds: Vec<_> = parts.iter().flat_map(|part| part.holds.clone()).collect();
    holds.iter_mut().for_each(|hold| hold.remember(&world.memory.waits, world.now));
    let waiting = holds.iter().map(|hold| (hold.reason, hold.subject.as_str()));
    let waits = world.memory.waits.next(waiting, world.now);
    let restores =
        parts.iter().flat_map(|part| &part.actions).any(|action| matches!(action, Action::RestoreTemplate { .. }));
    let template_restored = if restores { Some(world.now) } else { world.memory.template_restored };
    let api_keys = lifecycle::known_api_keys(desired, world);
    let memory = Memory { rollout, waits, identity: world.known_identity(), api_keys, template_restored };
    holds.sort_by_key(|hold| (hold.reason, hold.subject.clone()));
    let report = status::derive(desired, world, &revisions, &holds);
    if desired.paused {
        return Plan { actions: Vec::new(), wake: Wake::Poll(AT_REST), holds, report, memory };
    }
    let mut actions: Vec<_> = parts.into_iter().flat_map(|part| part.actions).collect();
    actions.sort_by_key(Action::stage);
    prepare_or_remove(&mut actions);
    let wake = earliest(&holds, report.is_ready());
    Plan { actions, holds, report, wake, memory }
}

/// A plan either prepares or removes. While a set changes, or EMQX moves clients or shards, the world is not the one that the
/// removal was checked against; the removal waits for the next reconcile.
fn prepare_or_remove(actions: &mut Vec<Action>) {
    let prepares = actions.iter().any(|action| match action {
        Action::Create { manifest, .. } | Action::Apply { manifest, .. } => {
            matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet)
        }
        Action::Scale { .. } | Action::Annotate { .. } | Action::RestoreTemplate { .. } => true,
        Action::Call(call) => {
            let harmless = matches!(
                call,
                Call::PutConfig { .. } | Call::LoadApiKeys { .. } | Call::ForgetSite { .. } | Call::ForceLeave { .. }
            );
            !harmless
        }
        Action::Adopt { .. } | Action::Delete { .. } | Action::GrowVolume { .. } | Action::Remove(_) => false,
    });
    if prepares && !planted(Bug::PrepareAndRemove) {
        actions.retain(|action| !matches!(action, Action::Remove(_)));
    }
}

fn earliest(holds: &[Hold], ready: bool) -> Wake {
    let at = holds.iter().filter_map(|hold| match hold.wake {
        Wake::At(time) => Some(time),
        Wake::Watch | Wake::Poll(_) => None,
    });
    if let Some(time) = at.min() {
        return Wake::At(time);
    }
    let polls = holds.iter().filter_map(|hold| match hold.wake {
        Wake::Poll(seconds) => Some(seconds),
        Wake::Watch | Wake::At(_) => None,
    });
    let own = if ready { AT_REST } else { WHILE_STARTING };
    // While a hold asks for a longer interval, asking EMQX every two seconds would bring no news.
    Wake::Poll(polls.min().map_or(own, |seconds| seconds.min(AT_REST)))
}

impl Plan {
    /// Whether the plan changes nothing. A plan with actions is worth a line in the log.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// The actions of one stage.
    pub fn stage(&self, stage: Stage) -> impl Iterator<Item = &Action> {
        self.actions.iter().filter(move |action| action.stage() == stage)
    }
}

/// For golden files and logs.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in &self.actions {
            writeln!(f, "{action}")?;
        }
        for hold in &self.holds {
            writeln!(f, "hold {} {}: {}", hold.reason.as_str(), hold.subject, hold)?;
        }
        write!(f, "wake {:?}", self.wake)
    }
}
