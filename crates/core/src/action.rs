//! What the operator may do to the world. Actions are absolute and carry the assumption they were planned under, so
//! that one planned on a stale snapshot fails instead of doing harm.

use crate::build::Manifest;
use crate::reason::Reason;
use crate::world::ObjectId;
use serde::Serialize;
use std::fmt;

/// One step. [`Action::stage`] says when it is its turn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Create an object that must not exist yet: identities are never overwritten.
    Create(Manifest),
    /// Server-side apply: our fields become what the manifest says, fields of others stay.
    Apply {
        manifest: Manifest,
        /// The object this was planned on; `None` when there was none.
        on: Option<Version>,
        /// When to apply.
        stage: Stage,
    },
    /// Set the number of pods of a set, if it still is `from`.
    Scale { set: ObjectId, from: i32, to: i32 },
    /// Delete an object that the spec switches off, if it still is the one that was seen.
    Delete { id: ObjectId, on: Version, because: Reason },
    /// A request to EMQX.
    Call(Call),
}

/// The identity and state of an object when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Version {
    pub uid: String,
    pub resource_version: String,
}

/// A request to EMQX that changes something.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub enum Call {
    /// Put runtime roots in force on all nodes. Applying the same text twice is harmless.
    PutConfig {
        #[serde(skip)]
        text: String,
        revision: String,
    },
}

/// The configuration may hold secrets, so it is never printed.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::PutConfig { revision, .. } => write!(f, "PutConfig({revision})"),
        }
    }
}

/// The order of execution. Within a stage all are tried; a failure stops the later stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Stage {
    /// Secrets that give the cluster its identity.
    Identity,
    /// Configuration that pods read when they start, and the names they find each other by.
    Config,
    /// Sets of pods, and what stands in front of them.
    Workload,
    /// Requests to EMQX.
    Broker,
    /// What we must remember, written where it belongs once the requests before have succeeded.
    Marks,
    /// Objects that the spec switches off.
    Removal,
}

impl Action {
    /// When it is the turn of this action.
    pub fn stage(&self) -> Stage {
        match self {
            Action::Create(_) => Stage::Identity,
            Action::Apply { stage, .. } => *stage,
            Action::Scale { .. } => Stage::Workload,
            Action::Call(_) => Stage::Broker,
            Action::Delete { .. } => Stage::Removal,
        }
    }
}

/// One line for logs and golden files.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Create(manifest) => write!(f, "create {}", manifest.id),
            Action::Apply { manifest, on: None, .. } => write!(f, "apply {} (new)", manifest.id),
            Action::Apply { manifest, on: Some(_), .. } => write!(f, "apply {}", manifest.id),
            Action::Scale { set, from, to } => write!(f, "scale {set} from {from} to {to}"),
            Action::Delete { id, because, .. } => write!(f, "delete {id} because {}", because.as_str()),
            Action::Call(Call::PutConfig { revision, .. }) => write!(f, "put config {revision}"),
        }
    }
}
