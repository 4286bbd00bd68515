//! What the last pass leaves to the next one.

use super::Identity;
use crate::reason::Reason;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// What one pass leaves to the next. The shell keeps it; another leader starts without it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// The rollout that is under way.
    pub rollout: Option<Rollout>,
    /// Since when something is waited for, by what and why.
    pub waits: Waits,
    /// What made the nodes one cluster when it was last seen.
    pub identity: Identity,
    /// The API keys of the spec that EMQX was seen to know, as a digest.
    pub api_keys: Option<String>,
    /// When a pod template was last taken back from others.
    pub template_restored: Option<Timestamp>,
}

/// How far a rollout was at the last look.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rollout {
    /// The revision of the templates that the nodes are to have.
    pub revision: String,
    /// What was seen of the nodes, as a digest.
    pub seen: String,
    /// For how long nothing of that has changed, as far as the operator was looking.
    pub idle: SignedDuration,
    pub looked: Timestamp,
}

/// Since when something is waited for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Waits {
    begun: BTreeMap<String, Timestamp>,
    looked: Option<Timestamp>,
}

/// Passes come more often than this. What happened in a longer gap the operator has not seen.
pub const LOOK: SignedDuration = SignedDuration::from_secs(90);

impl Waits {
    /// Since when this subject has waited for this reason, if it did at the last look, and that is not long ago.
    pub fn since(&self, reason: Reason, subject: &str, now: Timestamp) -> Option<Timestamp> {
        self.looked.filter(|looked| now.duration_since(*looked) <= LOOK)?;
        self.begun.get(&key(reason, subject)).copied()
    }

    /// Of all that are waited for now; those that are new began now.
    pub fn next<'a>(&self, waiting: impl Iterator<Item = (Reason, &'a str)>, now: Timestamp) -> Waits {
        let begun = |reason, subject: &str| self.since(reason, subject, now).unwrap_or(now);
        let begun = waiting.map(|(reason, subject)| (key(reason, subject), begun(reason, subject))).collect();
        Waits { begun, looked: Some(now) }
    }
}

fn key(reason: Reason, subject: &str) -> String {
    format!("{} {subject}", reason.as_str())
}
