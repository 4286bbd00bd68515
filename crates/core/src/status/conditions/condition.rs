//! A condition of the status, without times.

use crate::reason::Reason;
use crate::text::beginning;
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
pub enum ConditionStatus {
    True,
    False,
    /// EMQX did not answer, and no other observation contradicts the condition.
    Unknown,
}

impl ConditionStatus {
    /// As Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}

/// Kubernetes allows 32,768 characters, which are more than a user reads.
pub(in crate::status) const LONGEST_MESSAGE: usize = 2048;

/// A condition without times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: Reason,
    pub message: String,
}

impl Condition {
    pub(super) fn new(kind: ConditionType, holds: bool, reason: Reason, message: impl AsRef<str>) -> Self {
        let status = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self { kind, status, reason, message: beginning(message.as_ref(), LONGEST_MESSAGE).into_owned() }
    }

    pub(in crate::status) fn holds(&self) -> bool {
        self.status == ConditionStatus::True
    }
}
