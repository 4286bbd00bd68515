//! The conditions: separate facts, each with a reason and a message that names what is awaited.

mod available;
mod config;
mod progressing;
mod ready;

use crate::desired::Desired;
use crate::lifecycle::{Hold, Revisions};
use crate::reason::{Reason, Weight};
use crate::text::beginning;
use crate::world::{Reading, Why, World};
use serde::Serialize;

/// The types, in the order in which users read them: the first that is True is what `kubectl get` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ConditionType {
    Ready,
    Paused,
    Degraded,
    CoreNodesProgressing,
    ReplicantNodesProgressing,
    Available,
    ConfigApplied,
    EMQXAPIAvailable,
}

impl ConditionType {
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Paused => "Paused",
            ConditionType::Degraded => "Degraded",
            ConditionType::CoreNodesProgressing => "CoreNodesProgressing",
            ConditionType::ReplicantNodesProgressing => "ReplicantNodesProgressing",
            ConditionType::Available => "Available",
            ConditionType::ConfigApplied => "ConfigApplied",
            ConditionType::EMQXAPIAvailable => "EMQXAPIAvailable",
        }
    }
}

/// Whether a condition holds, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Truth {
    True,
    False,
    /// EMQX did not answer, and nothing else speaks against it.
    Unknown,
}

impl Truth {
    /// As Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Truth::True => "True",
            Truth::False => "False",
            Truth::Unknown => "Unknown",
        }
    }
}

/// Kubernetes allows 32,768 characters, which are more than a user reads.
pub(super) const LONGEST_MESSAGE: usize = 2048;

/// A condition without times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub kind: ConditionType,
    pub truth: Truth,
    pub reason: Reason,
    pub message: String,
}

impl Fact {
    pub(super) fn new(kind: ConditionType, holds: bool, reason: Reason, message: impl AsRef<str>) -> Self {
        let truth = if holds { Truth::True } else { Truth::False };
        Self { kind, truth, reason, message: beginning(message.as_ref(), LONGEST_MESSAGE).into_owned() }
    }

    pub(super) fn holds(&self) -> bool {
        self.truth == Truth::True
    }
}

pub(super) fn derive(desired: &Desired, world: &World, revisions: &Revisions, holds: &[Hold]) -> Vec<Fact> {
    let progressing = [
        progressing::cores(desired, world, revisions, holds),
        progressing::replicants(desired, world, revisions, holds),
    ];
    let degraded = degraded(holds);
    let config = config::applied(desired, world);
    let api = api(world, holds);
    let mut facts = vec![ready::ready(world, &progressing, &config, &api, degraded.as_ref(), holds)];
    facts.extend(desired.paused.then(|| {
        let text = "the annotation apps.emqx.io/paused is set: nothing but this status is written";
        Fact::new(ConditionType::Paused, true, Reason::AnnotationSet, text)
    }));
    facts.extend(degraded);
    facts.extend(progressing.into_iter().flatten());
    facts.push(available::available(desired, world));
    facts.push(config);
    facts.push(api);
    facts
}

/// There is something that somebody should look at. The most telling one is named, the others are counted.
fn degraded(holds: &[Hold]) -> Option<Fact> {
    let mut troubles = holds.iter().filter(|hold| hold.reason.weight() == Weight::Trouble);
    let first = troubles.next()?;
    let same: Vec<_> =
        troubles.clone().filter(|hold| hold.reason == first.reason).map(|hold| hold.subject.as_str()).collect();
    let others = troubles.count() - same.len();
    let mut message = format!("{}: {first}", first.subject);
    if !same.is_empty() {
        message.push_str(&format!(" (also {})", same.join(", ")));
    }
    if others > 0 {
        message.push_str(&format!("; and {others} more"));
    }
    Some(Fact::new(ConditionType::Degraded, true, first.reason, message))
}

fn api(world: &World, holds: &[Hold]) -> Fact {
    let kind = ConditionType::EMQXAPIAvailable;
    match &world.broker {
        Reading::Fresh(_) => Fact::new(kind, true, Reason::RequestSucceeded, "EMQX API is available"),
        // Nodes that start refuse connections; that is not an answer worth reporting.
        Reading::Unavailable(Why::NoAnswer(text)) if world.cores.ready() > 0 => {
            Fact::new(kind, false, Reason::RequestFailed, text.clone())
        }
        Reading::Unavailable(Why::LockedOut { text, .. }) if world.cores.ready() > 0 => {
            match holds.iter().find(|hold| hold.reason == Reason::LockedOut) {
                Some(hold) => Fact::new(kind, false, hold.reason, hold.detail.clone()),
                None => Fact::new(kind, false, Reason::NoRequester, text.clone()),
            }
        }
        Reading::Off | Reading::Unavailable(_) => {
            let text = "No eligible core pod is available to serve EMQX API requests";
            Fact::new(kind, false, Reason::NoRequester, text)
        }
    }
}

/// An action failed: the fact it concerns says so, and `Degraded` does.
pub(super) fn after_failure(facts: &mut Vec<Fact>, reason: Reason, detail: &str, matters: bool) {
    if reason == Reason::ConfigRejected {
        facts.retain(|fact| fact.kind != ConditionType::ConfigApplied);
        facts.push(config::rejected(detail));
    }
    if reason.weight() == Weight::Trouble {
        facts.retain(|fact| fact.kind != ConditionType::Degraded);
        facts.push(Fact::new(ConditionType::Degraded, true, reason, detail));
        for fact in facts.iter_mut().filter(|fact| matters && fact.kind == ConditionType::Ready) {
            *fact = Fact::new(ConditionType::Ready, false, reason, detail);
        }
    }
    facts.sort_by_key(|fact| fact.kind);
}
