//! Knowledge that may be missing. There is no default and no way to take "unknown" for zero by accident.

use serde::Serialize;

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Reading<T> {
    /// The answer.
    Fresh(T),
    /// The feature does not exist in this broker.
    Off,
    /// We do not know.
    Unavailable(Why),
}

/// Why we do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Why {
    /// No core pod is ready to be asked.
    NobodyToAsk,
    /// This pass did not need to know.
    NotAsked,
    /// No core that was asked has answered; one line that names the cores and what happened.
    NoAnswer(String),
    /// EMQX answers and does not let the operator in; one line that names whom and what it said.
    LockedOut { refusal: Refusal, text: String },
}

/// What EMQX has against the operator's API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Refusal {
    /// 401, from all that were asked: it does not know the key, or under another secret, or the key is disabled.
    KeyNotAccepted,
    /// 403: it knows the key, whose role or scopes are too small.
    KeyTooSmall,
}

impl<T> Reading<T> {
    /// The answer, if there is one. What to do without one is for the caller to say.
    pub fn fresh(&self) -> Option<&T> {
        match self {
            Reading::Fresh(value) => Some(value),
            Reading::Off | Reading::Unavailable(_) => None,
        }
    }
}
