//! From what is wanted and what was seen to what should be done: the one entry point of the core.

use crate::action::{Action, Stage};
use crate::desired::Desired;
use crate::lifecycle::{Hold, RULES, Wake};
use crate::status::{self, Report};
use crate::world::World;
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
}

/// At rest the broker is asked this often.
const AT_REST: u32 = 60;
/// While nodes start, the membership is asked this often.
const WHILE_STARTING: u32 = 2;

/// Total and deterministic: the same arguments give the same plan, byte for byte.
pub fn plan(desired: &Desired, world: &World) -> Plan {
    let parts: Vec<_> = RULES.iter().map(|rule| rule(desired, world)).collect();
    let mut holds: Vec<_> = parts.iter().flat_map(|part| part.holds.clone()).collect();
    holds.sort_by_key(|hold| (hold.reason, hold.subject.clone()));
    let report = status::derive(desired, world, &holds);
    if desired.paused {
        return Plan { actions: Vec::new(), wake: Wake::Poll(AT_REST), holds, report };
    }
    let mut actions: Vec<_> = parts.into_iter().flat_map(|part| part.actions).collect();
    actions.sort_by_key(Action::stage);
    let wake = earliest(&holds, report.is_ready());
    Plan { actions, holds, report, wake }
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
            writeln!(f, "hold {} {}: {}", hold.reason.as_str(), hold.subject, hold.detail)?;
        }
        write!(f, "wake {:?}", self.wake)
    }
}
