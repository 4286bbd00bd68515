//! What was seen, in our words: one snapshot, made once per pass, never changed.
//!
//! A [`Node`] joins a pod with the EMQX node of the same name. Whatever we do not know is a [`Reading`] that says so.

mod assemble;
mod broker;
mod budgets;
mod claim;
mod identity;
mod last_words;
mod memory;
mod needs;
mod node;
mod object;
mod pool;
mod pull_error;
mod reading;
mod redact;
mod storage;
mod troubles;
mod view;
mod views;

pub use assemble::operator_secret;
pub use broker::{Broker, BrokerNode, Endpoint, Evacuation, EvacuationPhase, Told, api_candidates};
pub use budgets::OtherBudget;
pub use claim::{Claim, core_of, may_hold_data};
pub use identity::{Identity, IdentitySecret};
pub use memory::{LOOK, Memory, Rollout, Waits};
pub use needs::{Needs, needs};
pub use node::{HTTP_PORT, HTTPS_PORT, Node, Wait};
pub use object::{Kind, Live, ObjectId, Ownership};
pub(crate) use pool::total;
pub use pool::{NodeSet, Pool};
pub use reading::{Reading, Refusal, Why};
pub use storage::{ReplicaState, Shard, Site, Storage, VolumeSite};
pub use view::{KubernetesView, ObjectEvent};
pub use views::{Disagreement, View, agree};

use crate::build::Differences;
use crate::desired::Role;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Everything a rule may know about the cluster.
#[derive(Clone, Debug, Serialize)]
pub struct World {
    pub now: Timestamp,
    /// The objects of the cluster as they are.
    pub objects: BTreeMap<ObjectId, Live>,
    pub cores: Pool,
    pub replicants: Pool,
    /// Whether volumes of cores were there before the core set was: EMQX then knows a configuration of its own.
    pub volumes_without_set: bool,
    /// What makes the nodes one cluster, as the Secrets hold it.
    pub identity: Identity,
    /// PodDisruptionBudgets of others that select pods of this cluster.
    pub other_budgets: Vec<OtherBudget>,
    /// Sets whose pod template others than the operator have changed, and who did. The shell tells of them only.
    pub edited_templates: BTreeMap<String, String>,
    /// The volumes of the cores.
    pub claims: Vec<Claim>,
    /// What EMQX answered.
    pub broker: Reading<Broker>,
    /// Why EMQX of the wanted image has refused the configuration of the spec, if it did lately.
    pub config_refused: Option<ConfigRefused>,
    /// What came back otherwise than it was applied.
    pub rewritten: BTreeMap<ObjectId, Differences>,
    /// What the pass before has left.
    pub memory: Memory,
    /// Random texts for secrets that do not exist yet.
    #[serde(skip)]
    pub fresh: FreshSecrets,
}

/// EMQX's answer to a configuration that it does not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfigRefused {
    pub text: String,
    /// It names a file, such as a certificate, that the node does not have, which may come with the template.
    pub lacks_a_file: bool,
}

/// Random texts, drawn by the shell for every pass, used only where a secret does not exist yet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FreshSecrets {
    pub cookie: String,
    pub operator_secret: String,
}

impl fmt::Debug for FreshSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshSecrets")
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(pub String);

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Sensitive {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}

impl World {
    pub fn pool(&self, role: Role) -> &Pool {
        match role {
            Role::Core => &self.cores,
            Role::Replicant => &self.replicants,
        }
    }

    pub fn live(&self, kind: Kind, name: &str) -> Option<&Live> {
        self.objects.get(&ObjectId { kind, name: name.to_owned() })
    }

    /// The claims of the cores of this set.
    pub fn claims_of<'a>(&'a self, set: &'a str) -> impl Iterator<Item = &'a Claim> {
        self.claims.iter().filter(move |claim| claim.set == set)
    }

    /// All nodes, cores first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.cores.nodes.iter().chain(&self.replicants.nodes)
    }
}
