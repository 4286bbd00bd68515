//! The outcome of the actions of a plan.

use crate::failures::{FailureClass, Failures};
use crate::index::Key;
use crate::report;
use emqx_operator_core::action::Action;
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::Kind;

/// The outcome of the actions of a plan.
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
    /// The action has failed so often, or for so long, that it is reported. Requests to EMQX are counted in `execute/broker.rs`.
    goes_on: bool,
    /// Whether the cluster is not Ready without the action. A cluster serves also without its budgets.
    pub matters: bool,
}

/// How an action failed.
#[derive(Clone, Debug)]
pub enum FailureKind {
    /// The object has changed since the snapshot: plan again.
    Stale(String),
    /// The server refuses the action, and will refuse it until a user changes something.
    Refused { reason: Reason, text: String },
    /// The request failed this time.
    Failed(String),
    /// The namespace is being deleted, and everything in it.
    Ending(String),
    /// The action has failed so often that it was not tried now; this is its last failure.
    Postponed { reason: Reason, text: String },
}

/// A failure as the status reports it.
#[derive(Debug, PartialEq, Eq)]
pub struct ReportedFailure {
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

    /// Reason and message for the status.
    fn message(&self, action: &str) -> (Reason, String) {
        match self {
            FailureKind::Refused { reason, text } | FailureKind::Postponed { reason, text } => (*reason, text.clone()),
            FailureKind::Stale(text) => (
                Reason::KubernetesRequestFailed,
                format!("failed to {action}: the object is changed again and again: {text}"),
            ),
            FailureKind::Failed(text) | FailureKind::Ending(text) => {
                (Reason::KubernetesRequestFailed, format!("failed to {action}: {text}"))
            }
        }
    }

    /// `None` for a failure that is not counted.
    pub fn class(&self) -> Option<FailureClass> {
        match self {
            FailureKind::Stale(_) => Some(FailureClass::Conflict),
            FailureKind::Refused { .. } => Some(FailureClass::Refusal),
            FailureKind::Failed(_) => Some(FailureClass::Failure),
            FailureKind::Ending(_) | FailureKind::Postponed { .. } => None,
        }
    }
}

impl Failure {
    /// Counts the failure, and decides when the action is tried again.
    pub fn note(failures: &Failures, action: &Action, kind: FailureKind) -> Failure {
        let is_budget = action.manifest().is_some_and(|manifest| manifest.id.kind == Kind::PodDisruptionBudget);
        let of_emqx = matches!(action, Action::Call(_));
        let action = action.to_string();
        let class = match kind.class() {
            Some(FailureClass::Refusal) if of_emqx => Some(FailureClass::Busy),
            class => class,
        };
        let streak = class.map(|class| {
            let (reason, text) = kind.message(&action);
            failures.note(&action, class, reason, &text)
        });
        let goes_on = !of_emqx && streak.is_some_and(|streak| streak.is_reported());
        Failure { action, kind, goes_on, matters: !is_budget }
    }

    /// Refusals are reported at once, other failures when they repeat.
    pub fn is_reported(&self) -> bool {
        match &self.kind {
            FailureKind::Refused { .. } | FailureKind::Postponed { .. } => true,
            FailureKind::Stale(_) | FailureKind::Failed(_) => self.goes_on,
            FailureKind::Ending(_) => false,
        }
    }

    fn reported(&self) -> ReportedFailure {
        let (reason, text) = self.kind.message(&self.action);
        ReportedFailure { reason, text, matters: self.matters }
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
    /// The failure to report; failures that matter come first.
    pub fn reported(&self) -> Option<ReportedFailure> {
        let mut reported: Vec<_> =
            self.failures.iter().filter(|failure| failure.is_reported()).map(Failure::reported).collect();
        reported.sort_by_key(|reported| !reported.matters);
        reported.into_iter().next()
    }

    /// Whether the namespace is being deleted, and the resource with it.
    pub fn is_ending(&self) -> bool {
        self.failures.iter().any(|failure| matches!(failure.kind, FailureKind::Ending(_)))
    }

    /// Whether EMQX keeps refusing or failing a request.
    pub fn is_refused_by_emqx(&self) -> bool {
        let emqx = [Reason::RequestRefused, Reason::RequestFailed];
        let by_emqx =
            |failure: &Failure| matches!(failure.kind, FailureKind::Refused { reason, .. } if emqx.contains(&reason));
        self.failures.iter().any(by_emqx)
    }

    pub fn as_metric(&self) -> report::Outcome {
        let failed = |failure: &Failure| matches!(failure.kind, FailureKind::Failed(_));
        match &self.failures[..] {
            failures if failures.iter().any(Failure::is_reported) => report::Outcome::Refused,
            failures if failures.iter().any(failed) => report::Outcome::Error,
            _ => report::Outcome::Success,
        }
    }
}
