//! Everything that the operator may do. Actions are absolute and carry the assumption they were planned under, so that an
//! action that was planned on a stale snapshot fails instead of doing harm.

use crate::build::Manifest;
use crate::desired::NodeName;
use crate::lifecycle::Permit;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::text::beginning;
use crate::world::{Kind, ObjectId, ObjectVersion};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// One step. [`Action::stage`] says when it is carried out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Create an object that is absent from the snapshot. Creation fails where the object exists; [`crate::adoption`] then
    /// decides about the existing object, which is never merged into.
    Create { manifest: Manifest, stage: Stage },
    /// Take over an object that is missing in the snapshot, if an object of this name exists and says that it belongs to this
    /// cluster: users restore objects without the labels by which the operator finds them. Never creates an object.
    Adopt { manifest: Manifest, stage: Stage },
    /// Server-side apply: our fields become what the manifest says, fields of other managers stay.
    Apply {
        manifest: Manifest,
        /// The object as it was when the action was planned.
        on: ObjectVersion,
        /// When to apply.
        stage: Stage,
    },
    /// Set the number of pods of a set, if it still is `from`.
    Scale { set: ObjectId, from: i32, to: i32 },
    /// Delete an object that the spec switches off, if it still is the object that was seen.
    Delete { id: ObjectId, on: ObjectVersion, because: Reason },
    /// Set or remove annotations, if the object still is the object that was seen.
    Annotate { id: ObjectId, on: ObjectVersion, annotations: BTreeMap<&'static str, Option<String>>, stage: Stage },
    /// Replace the pod template of a set, if the set still is in the state that was seen. An apply would leave fields that other
    /// managers added.
    RestoreTemplate {
        set: ObjectId,
        on: ObjectVersion,
        #[serde(skip)]
        template: Value,
        edited_by: String,
    },
    /// Ask for a larger volume.
    GrowVolume { claim: ObjectId, on: ObjectVersion, to: String },
    /// A request to EMQX.
    Call(Call),
    /// Restart a node or remove it for good. Only admission grants the permit.
    Remove(Permit),
}

/// A request to EMQX that changes something.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub enum Call {
    /// Apply runtime roots on all nodes. Applying the same text twice is harmless.
    PutConfig {
        #[serde(skip)]
        text: String,
        revision: String,
    },
    /// Have all cores read this file of API keys again.
    LoadApiKeys { file: &'static str },
    /// Close a node to new clients, and evacuate it.
    StartEvacuation { node: NodeName, options: EvacuationOptions },
    /// Open a node again. With `anew` the evacuation starts again afterwards, with other options.
    StopEvacuation { node: NodeName, anew: bool },
    /// Set the sites that hold the shards of a database.
    PlaceShards { database: String, sites: Vec<String> },
    /// Forget a site that holds no shard and does not come back. The call is not `needed` where no database exists: a surplus
    /// site does no harm then.
    ForgetSite { site: String, needed: bool },
    /// Remove a core that does not come back from the EMQX cluster.
    ForceLeave { node: NodeName },
}

/// How a node is evacuated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EvacuationOptions {
    /// The nodes that take the sessions.
    pub targets: Vec<NodeName>,
    /// Connections per second.
    pub connection_rate: u32,
    /// Sessions per second.
    pub session_rate: u32,
    /// Seconds for load balancers to notice, while the node still accepts clients.
    pub wait_health_check: u32,
    /// Seconds for clients to reconnect to another node and take their sessions over.
    pub wait_takeover: u32,
}

/// The configuration may hold secrets, so it is never printed.
impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::PutConfig { revision, .. } => write!(f, "PutConfig({revision})"),
            other => write!(f, "{other}"),
        }
    }
}

/// The order of execution. Within a stage all are tried; a failure stops the later stages, see [`Action::is_needed`] and
/// [`Action::stands_alone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Stage {
    /// Secrets that give the cluster its identity.
    Identity,
    /// Configuration that pods read when they start, and the names they find each other by.
    Config,
    /// Sets of pods, and the Services in front of them.
    Workload,
    /// Records of the evacuations that the operator is about to start: after a restart in between, the operator must not take
    /// them for a user's.
    Intent,
    /// Requests to EMQX.
    Broker,
    /// Annotations on the objects they concern, once the requests of the earlier stages have succeeded.
    Marks,
    /// Objects that the spec switches off, and the node that has the permit.
    Removal,
}

impl Action {
    /// The object that is created or applied.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Action::Create { manifest, .. } | Action::Apply { manifest, .. } => Some(manifest),
            Action::Adopt { .. }
            | Action::Scale { .. }
            | Action::Delete { .. }
            | Action::Annotate { .. }
            | Action::RestoreTemplate { .. }
            | Action::GrowVolume { .. }
            | Action::Call(_)
            | Action::Remove(_) => None,
        }
    }

    /// The stage in which this action is carried out.
    pub fn stage(&self) -> Stage {
        match self {
            Action::Create { stage, .. } | Action::Adopt { stage, .. } | Action::Apply { stage, .. } => *stage,
            Action::Scale { .. } | Action::GrowVolume { .. } | Action::RestoreTemplate { .. } => Stage::Workload,
            Action::Annotate { stage, .. } => *stage,
            Action::Call(_) => Stage::Broker,
            Action::Delete { .. } | Action::Remove(_) => Stage::Removal,
        }
    }

    /// Whether later stages need this action: if it fails they do not begin. A volume that does not grow, and a refused Service,
    /// concern no node; a rule that needs the Service to select other nodes checks the Service itself.
    pub fn is_needed(&self) -> bool {
        match self {
            _ if planted(Bug::StopForAnything) => true,
            Action::GrowVolume { .. } | Action::RestoreTemplate { .. } => false,
            Action::Create { manifest, stage: Stage::Workload }
            | Action::Apply { manifest, stage: Stage::Workload, .. } => {
                !matches!(manifest.id.kind, Kind::Service | Kind::PodDisruptionBudget)
            }
            _ => true,
        }
    }

    /// Whether the action is carried out even when an earlier stage failed: a node that stays is opened again, whatever else is
    /// refused.
    pub fn stands_alone(&self) -> bool {
        matches!(self, Action::Call(Call::StopEvacuation { anew: false, .. })) && !planted(Bug::StopForAnything)
    }
}

/// The longest line about one action: values of annotations and names in EMQX can be of any length.
const LONGEST_LINE: usize = 1000;

/// One line for logs and golden files.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&beginning(&self.line(), LONGEST_LINE))
    }
}

impl Action {
    fn line(&self) -> String {
        match self {
            Action::Create { manifest, .. } => format!("create {}", manifest.id),
            Action::Adopt { manifest, .. } => format!("take over {} if it was restored", manifest.id),
            Action::Apply { manifest, .. } => format!("apply {}", manifest.id),
            Action::Scale { set, from, to } => format!("scale {set} from {from} to {to}"),
            Action::Delete { id, because, .. } => format!("delete {id} because {}", because.as_str()),
            Action::Annotate { id, annotations, .. } => {
                let texts: Vec<_> = annotations
                    .iter()
                    .map(|(key, value)| match value {
                        Some(value) => format!("{key}={value}"),
                        None => format!("no {key}"),
                    })
                    .collect();
                format!("annotate {id} with {}", texts.join(", "))
            }
            Action::RestoreTemplate { set, edited_by, .. } => {
                format!("restore the pod template of {set}, which {edited_by} has changed")
            }
            Action::GrowVolume { claim, to, .. } => format!("grow {claim} to {to}"),
            Action::Call(call) => call.to_string(),
            Action::Remove(permit) => permit.to_string(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&beginning(&self.line(), LONGEST_LINE))
    }
}

impl Call {
    fn line(&self) -> String {
        match self {
            Call::PutConfig { revision, .. } => format!("put config {revision}"),
            Call::StartEvacuation { node, options } => {
                let targets: Vec<_> = options.targets.iter().map(ToString::to_string).collect();
                format!("start evacuation of {node} to {}", targets.join(", "))
            }
            Call::StopEvacuation { node, anew: false } => format!("stop evacuation of {node}"),
            Call::StopEvacuation { node, anew: true } => format!("stop evacuation of {node} to start it again"),
            Call::PlaceShards { database, sites } => format!("place shards of {database} on {}", sites.join(", ")),
            Call::ForgetSite { site, .. } => format!("forget site {site}"),
            Call::LoadApiKeys { file } => format!("read API keys from {file}"),
            Call::ForceLeave { node } => format!("force {node} to leave"),
        }
    }
}
