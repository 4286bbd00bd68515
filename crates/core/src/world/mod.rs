//! What was seen, in our words: one snapshot, made once per pass, never changed.
//!
//! A [`Node`] joins a pod with the EMQX node of the same name. Whatever we do not know is a [`Reading`] that says so.

mod assemble;
mod broker;
mod broker_node;
mod budgets;
mod claim;
mod endpoints;
mod identity;
mod last_words;
mod memory;
mod needs;
mod node;
mod node_state;
mod object;
mod pod_issues;
mod pool;
mod pull_error;
mod reading;
mod redact;
mod sensitive;
mod snapshot;
mod storage;
mod view;
mod views;

pub use assemble::operator_secret;
pub(crate) use broker::rebalance_text;
pub use broker::{Broker, Evacuation, EvacuationParameters, EvacuationPhase};
pub use broker_node::BrokerNode;
pub use budgets::OtherBudget;
pub use claim::{Claim, core_of, may_hold_data};
pub use endpoints::{Endpoint, api_candidates};
pub use identity::{Identity, IdentitySecret};
pub use memory::{LOOK, Memory, Rollout, Waits};
pub use needs::{Needs, needs};
pub use node::{HTTP_PORT, HTTPS_PORT, Node, PodIssue};
pub use node_state::{Membership, NodeState, NodeVerdict, PodReading};
pub use object::{Kind, Live, ObjectId, ObjectVersion, Ownership};
pub(crate) use pool::total;
pub use pool::{NodeSet, Pool};
pub use reading::{Reading, Refusal, Why};
pub use sensitive::{FreshSecrets, Sensitive};
pub use snapshot::{ConfigRefused, World};
pub use storage::{ReplicaState, Shard, Site, Storage, VolumeSite};
pub use view::{KubernetesView, ObjectEvent};
pub use views::{Disagreement, View, agree};
