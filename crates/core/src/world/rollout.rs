//! How far a rollout was at the last look.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// A rollout that is under way. The shell keeps it between two passes; another leader begins to count anew.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rollout {
    /// The revision of the templates that the nodes are to have.
    pub revision: String,
    /// What was seen of the nodes, as a digest.
    pub seen: String,
    /// For how long nothing of that has changed, as far as somebody was looking.
    pub idle: SignedDuration,
    pub looked: Timestamp,
}
