//! `/ds`: where durable sessions and messages live. Since 5.7; not in the open source edition up to 5.8. With durable
//! storage off there are sites but no storages.

mod replicas;
mod sites;
mod storages;

pub use replicas::{GetReplicas, PutReplicas};
pub use sites::{ForgetSite, GetSite, GetSites, Site, SiteShard};
pub use storages::{GetStorage, GetStorages, Replica, Shard, ShardTransition, Storage};

use serde::Deserialize;

/// How a replica of a shard is doing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaStatus {
    Up,
    /// Its node belongs to the cluster and does not run.
    Down,
    /// Its node left the cluster.
    Lost,
    #[serde(untagged)]
    Unknown(String),
}

/// Where a replica is going. Since 5.9.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    Joining,
    Leaving,
    #[serde(untagged)]
    Unknown(String),
}
