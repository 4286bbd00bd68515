//! The conditions of the status, each with a reason and a message that names what is awaited.

mod available;
mod condition;
mod config;
mod progressing;
mod ready;

pub(super) use condition::LONGEST_MESSAGE;
pub use condition::{Condition, ConditionStatus, ConditionType};

use crate::desired::Desired;
use crate::lifecycle::{Hold, Revisions};
use crate::reason::{Reason, Severity};
use crate::world::{Reading, Why, World};

pub(super) fn derive(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Vec<Condition> {
    let progressing = [
        progressing::cores(desired, world, revisions, holds),
        progressing::replicants(desired, world, revisions, holds),
    ];
    let degraded = degraded(holds);
    let config = config::applied(desired, world);
    let api = api(world, holds);
    let mut conditions = vec![ready::ready(world, &progressing, &config, &api, degraded.as_ref(), holds)];
    conditions.extend(desired.paused.then(|| {
        let text = "the annotation apps.emqx.io/paused is set: the operator writes only this status";
        Condition::new(ConditionType::Paused, true, Reason::AnnotationSet, text)
    }));
    conditions.extend(degraded);
    conditions.extend(progressing.into_iter().flatten());
    conditions.push(available::available(desired, world));
    conditions.push(config);
    conditions.push(api);
    conditions
}

/// Names the first hold that needs action, and counts the others.
fn degraded(holds: &[Hold]) -> Option<Condition> {
    let mut serious = holds.iter().filter(|hold| hold.reason.severity() == Severity::Trouble);
    let first = serious.next()?;
    let same: Vec<_> =
        serious.clone().filter(|hold| hold.reason == first.reason).map(|hold| hold.subject.as_str()).collect();
    let others = serious.count() - same.len();
    let mut message = format!("{}: {first}", first.subject);
    if !same.is_empty() {
        message.push_str(&format!(" (also {})", same.join(", ")));
    }
    if others > 0 {
        message.push_str(&format!("; and {others} more"));
    }
    Some(Condition::new(ConditionType::Degraded, true, first.reason, message))
}

fn api(world: &World, holds: &[Hold]) -> Condition {
    let kind = ConditionType::EMQXAPIAvailable;
    match &world.broker {
        Reading::Fresh(_) => Condition::new(kind, true, Reason::RequestSucceeded, "EMQX API is available"),
        // Nodes that start refuse connections; before a core is ready that is not reported.
        Reading::Unavailable(Why::NoAnswer(text)) if world.cores.ready() > 0 => {
            Condition::new(kind, false, Reason::RequestFailed, text.clone())
        }
        Reading::Unavailable(Why::LockedOut { text, .. }) if world.cores.ready() > 0 => {
            match holds.iter().find(|hold| hold.reason == Reason::LockedOut) {
                Some(hold) => Condition::new(kind, false, hold.reason, hold.detail.clone()),
                None => Condition::new(kind, false, Reason::NoRequester, text.clone()),
            }
        }
        Reading::Off | Reading::Unavailable(_) => {
            let text = "No eligible core pod is available to serve EMQX API requests";
            Condition::new(kind, false, Reason::NoRequester, text)
        }
    }
}

/// An action failed: the condition it concerns says so, and `Degraded` does.
pub(super) fn after_failure(conditions: &mut Vec<Condition>, reason: Reason, detail: &str, matters: bool) {
    if reason == Reason::ConfigRejected {
        conditions.retain(|condition| condition.kind != ConditionType::ConfigApplied);
        conditions.push(config::rejected(detail));
    }
    if reason.severity() == Severity::Trouble {
        conditions.retain(|condition| condition.kind != ConditionType::Degraded);
        conditions.push(Condition::new(ConditionType::Degraded, true, reason, detail));
        for condition in conditions.iter_mut().filter(|condition| matters && condition.kind == ConditionType::Ready) {
            *condition = Condition::new(ConditionType::Ready, false, reason, detail);
        }
    }
    conditions.sort_by_key(|condition| condition.kind);
}
