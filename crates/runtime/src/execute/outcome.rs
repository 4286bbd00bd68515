//! What became of the actions of a plan.

use crate::failures::{Failures, Severity};
use crate::index::Key;
use crate::report;
use emqx_operator_core::action::Action;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::Kind;

/// What became of the actions of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    pub done: Vec<Action>,
    pub failures: Vec<Failure>,
}

/// An action that failed.
#[derive(Debug)]
pub struct Failure {
    pub action: String,
    pub kind: FailureKind,
    /// It has failed so often, or for so long, that users should hear of it. Of requests to EMQX something else keeps count.
    goes_on: bool,
    /// Whether the cluster is not as the spec says without it. Budgets protect a cluster that serves all the same.
    pub matters: bool,
}

/// How an action failed.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// The world has moved on since the snapshot: plan again.
    Stale(String),
    /// It is refused, and will be until somebody changes something.
    Refused { reason: Reason, text: String },
    /// It did not work this time.
    Failed(String),
    /// The namespace is being deleted, and everything in it.
    Ending(String),
    /// It has failed so often that it was not tried now; this is what it was the last time.
    Postponed { reason: Reason, text: String },
}

/// What users hear of.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub reason: Reason,
    pub text: String,
    pub matters: bool,
}

impl FailureKind {
    pub fn text(&self) -> &str {
        match self {
            FailureKind::Stale(text)
            | FailureKind::Refused { text, .. }
            | FailureKind::Failed(text)
            | FailureKind::Ending(text)
            | FailureKind::Postponed { text, .. } => text,
        }
    }

    /// What users are told of it.
    fn said(&self, action: &str) -> (Reason, String) {
        match self {
            FailureKind::Refused { reason, text } | FailureKind::Postponed { reason, text } => (*reason, text.clone()),
            FailureKind::Stale(text) => {
                (Reason::KubernetesRequestFailed, format!("failed to {action}: it is changed again and again: {text}"))
            }
            FailureKind::Failed(text) | FailureKind::Ending(text) => {
                (Reason::KubernetesRequestFailed, format!("failed to {action}: {text}"))
            }
        }
    }

    /// `None` for what is not counted as one more failure.
    pub fn severity(&self) -> Option<Severity> {
        match self {
            FailureKind::Stale(_) => Some(Severity::Conflict),
            FailureKind::Refused { .. } => Some(Severity::Refusal),
            FailureKind::Failed(_) => Some(Severity::Failure),
            FailureKind::Ending(_) | FailureKind::Postponed { .. } => None,
        }
    }
}

impl Failure {
    /// Counts it, and decides when it is tried again.
    pub fn note(failures: &Failures, action: &Action, kind: FailureKind) -> Failure {
        let is_budget = action.manifest().is_some_and(|manifest| manifest.id.kind == Kind::PodDisruptionBudget);
        let of_emqx = matches!(action, Action::Call(_));
        let action = action.to_string();
        let severity = match kind.severity() {
            Some(Severity::Refusal) if of_emqx => Some(Severity::Busy),
            severity => severity,
        };
        let streak = severity.map(|severity| {
            let (reason, text) = kind.said(&action);
            failures.note(&action, severity, reason, &text)
        });
        let goes_on = !of_emqx && streak.is_some_and(|streak| streak.is_told());
        Failure { action, kind, goes_on, matters: !is_budget }
    }

    /// A refusal at once, anything else when it goes on.
    pub fn is_told(&self) -> bool {
        match &self.kind {
            FailureKind::Refused { .. } | FailureKind::Postponed { .. } => true,
            FailureKind::Stale(_) | FailureKind::Failed(_) => self.goes_on,
            FailureKind::Ending(_) => false,
        }
    }

    fn told(&self) -> Told {
        let (reason, text) = self.kind.said(&self.action);
        Told { reason, text, matters: self.matters }
    }

    pub fn log(&self, cluster: &Key) {
        let (action, error) = (self.action.as_str(), self.kind.text());
        match self.kind {
            FailureKind::Refused { .. } | FailureKind::Failed(_) => {
                tracing::warn!(%cluster, action, error, "an action failed; trying again");
            }
            FailureKind::Stale(_) | FailureKind::Ending(_) | FailureKind::Postponed { .. } => {
                tracing::debug!(%cluster, action, error, "an action failed; trying again");
            }
        }
    }
}

impl Outcome {
    /// What users hear of: what matters first.
    pub fn told(&self) -> Option<Told> {
        let mut told: Vec<_> = self.failures.iter().filter(|failure| failure.is_told()).map(Failure::told).collect();
        told.sort_by_key(|told| !told.matters);
        told.into_iter().next()
    }

    /// Whether the namespace goes, and the resource with it.
    pub fn is_ending(&self) -> bool {
        self.failures.iter().any(|failure| matches!(failure.kind, FailureKind::Ending(_)))
    }

    /// Whether EMQX goes on to refuse something, or to fail.
    pub fn is_refused_by_emqx(&self) -> bool {
        let emqx = [Reason::RequestRefused, Reason::RequestFailed];
        let by_emqx =
            |failure: &Failure| matches!(failure.kind, FailureKind::Refused { reason, .. } if emqx.contains(&reason));
        self.failures.iter().any(by_emqx)
    }

    pub fn as_metric(&self) -> report::Outcome {
        let failed = |failure: &Failure| matches!(failure.kind, FailureKind::Failed(_));
        match &self.failures[..] {
            failures if failures.iter().any(Failure::is_told) => report::Outcome::Refused,
            failures if failures.iter().any(failed) => report::Outcome::Error,
            _ => report::Outcome::Success,
        }
    }
}
