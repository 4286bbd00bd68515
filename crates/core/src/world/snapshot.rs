//! Everything a rule may know about the cluster.

use super::broker::Broker;
use super::budgets::OtherBudget;
use super::claim::Claim;
use super::identity::{Identity, IdentitySecret};
use super::memory::Memory;
use super::node::Node;
use super::node_state::NodeState;
use super::object::{Kind, Live, ObjectId};
use super::pool::Pool;
use super::reading::Reading;
use super::sensitive::FreshSecrets;
use crate::build::Differences;
use crate::desired::Role;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

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
    pub admission_drift: BTreeMap<ObjectId, Differences>,
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

    /// As the Secrets hold it; where one is gone, as it was last seen.
    pub fn known_identity(&self) -> Identity {
        let (now, before) = (&self.identity, &self.memory.identity);
        Identity {
            cookie: now.cookie.clone().or_else(|| before.cookie.clone()),
            operator_secret: now.operator_secret.clone().or_else(|| before.operator_secret.clone()),
        }
    }

    /// Whether nodes run with a text that the operator cannot read any more: its Secret is gone, and this process never saw it.
    pub fn is_lost(&self, secret: IdentitySecret) -> bool {
        let known = self.known_identity();
        let text = match secret {
            IdentitySecret::Cookie => known.cookie,
            IdentitySecret::ApiKey => known.operator_secret,
        };
        text.is_none() && self.nodes().any(|node| node.state != NodeState::Pending && !node.is_terminating())
    }
}
