//! From what is wanted and what was seen to what should be done: the one entry point of the core.

use crate::action::{Action, Call, Stage};
use crate::desired::Desired;
use crate::lifecycle::{self, Hold, Wake};
use crate::planted::{Bug, planted};
use crate::status::{self, Report};
use crate::world::{Kind, Memory, World};
use serde::Serialize;
use std::fmt;

/// What should be done, what is waited for, what users are told. A value that can be compared, printed and replayed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Sorted by stage.
    pub actions: Vec<Action>,
    pub holds: Vec<Hold>,
    pub report: Report,
    pub wake: Wake,
    /// What the next pass has to know of this one.
    pub memory: Memory,
}

/// At rest the broker is asked this often.
const AT_REST: u32 = 60;
/// While nodes start, the membership is asked this often.
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

/// A plan either prepares or removes. While a set changes or EMQX is asked to move something, the world is not the one
/// in which a removal was examined; it waits for the next pass.
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
    // While something else holds, asking EMQX every two seconds would tell nothing new.
    Wake::Poll(polls.min().map_or(own, |seconds| seconds.min(AT_REST)))
}

impl Plan {
    /// Whether anything is to be written for the first time: worth a line in the log.
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
