//! `/ds/storages`: the databases, their shards and replicas.

use super::{ReplicaStatus, Transition};
use crate::api::read::json;
use crate::api::{Parts, Request};
use crate::credentials::Credentials;
use serde::Deserialize;

/// Lists the names of all open databases; act on every one. Up to 5.10 there is `messages` only, 6.0 has seven.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetStorages;

/// Reads one database; 404 if it is not open.
#[derive(Clone, Debug)]
pub struct GetStorage {
    pub storage: String,
}

/// A database.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Storage {
    pub name: String,
    pub shards: Vec<Shard>,
}

/// A shard and where it lives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Shard {
    pub id: String,
    pub replicas: Vec<Replica>,
    /// What is pending, in the order in which it will be done. Absent if nothing is, and always before 5.9.
    #[serde(default)]
    pub transitions: Vec<ShardTransition>,
}

/// A replica of a shard.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Replica {
    pub site: String,
    pub status: ReplicaStatus,
}

/// A replica that comes or goes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ShardTransition {
    pub site: String,
    pub transition: Transition,
}

impl Request for GetStorages {
    type Answer = Vec<String>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /ds/storages";

    fn parts(&self) -> Parts {
        Parts::get(&["ds", "storages"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<String>, String> {
        json(body)
    }
}

impl Request for GetStorage {
    type Answer = Storage;
    type As = Credentials;
    const OPERATION: &'static str = "GET /ds/storages/:ds";

    fn parts(&self) -> Parts {
        Parts::get(&["ds", "storages", &self.storage])
    }

    fn read(&self, body: &[u8]) -> Result<Storage, String> {
        json(body)
    }
}
