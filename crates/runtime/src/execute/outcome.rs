//! What became of the actions of a plan.

use emqx_operator_core::action::Action;
use emqx_operator_core::reason::Reason;

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
}

/// How an action failed.
#[derive(Debug, thiserror::Error)]
pub enum FailureKind {
    /// The world has moved on since the snapshot: plan again.
    #[error("conflict: {0}")]
    Stale(String),
    /// It is refused, and will be until somebody changes something.
    #[error("{text}")]
    Refused { reason: Reason, text: String },
    /// It did not work this time.
    #[error("{0}")]
    Failed(String),
}

impl Outcome {
    /// The refusal that users should hear of.
    pub fn refusal(&self) -> Option<(Reason, &str)> {
        self.failures.iter().find_map(|failure| match &failure.kind {
            FailureKind::Refused { reason, text } => Some((*reason, text.as_str())),
            FailureKind::Stale(_) | FailureKind::Failed(_) => None,
        })
    }

    /// Whether EMQX goes on to refuse something, or to fail.
    pub fn is_refused_by_emqx(&self) -> bool {
        let emqx = [Reason::RequestRefused, Reason::RequestFailed];
        let by_emqx =
            |failure: &Failure| matches!(failure.kind, FailureKind::Refused { reason, .. } if emqx.contains(&reason));
        self.failures.iter().any(by_emqx)
    }

    /// Whether everything that failed did so because the snapshot was old.
    pub fn only_stale(&self) -> bool {
        self.failures.iter().all(|failure| matches!(failure.kind, FailureKind::Stale(_)))
    }
}
