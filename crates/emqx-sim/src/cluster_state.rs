//! What all members of a cluster know: members, keys, users, sites. A node that joins throws its own away.
//! Changed only by [`Change`], which every running member applies.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Core,
    Replicant,
}

/// A salted hash: the cluster keeps no secret it could show.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Secret {
    salt: String,
    hash: String,
}

impl Secret {
    pub fn new(text: &str) -> Self {
        let salt = hex::encode(rand::random::<[u8; 8]>());
        let hash = hash(&salt, text);
        Self { salt, hash }
    }

    pub fn is(&self, text: &str) -> bool {
        hash(&self.salt, text) == self.hash
    }
}

fn hash(salt: &str, text: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(format!("{salt}{text}")))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    pub name: String,
    pub key: String,
    pub secret: Secret,
    pub enable: bool,
    /// Epoch seconds; None never expires.
    pub expired_at: Option<i64>,
    pub created_at: i64,
    pub desc: String,
    pub role: String,
    /// None: a record without scopes may use all.
    pub scopes: Option<Vec<String>>,
}

impl ApiKey {
    pub fn is_expired(&self, now: i64) -> bool {
        self.expired_at.is_some_and(|at| at < now)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Shard {
    pub replicas: BTreeSet<String>,
    /// None once reached.
    pub target: Option<BTreeSet<String>>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Storage {
    /// Site to the node it was last seen on.
    pub sites: BTreeMap<String, String>,
    /// Databases with their shards; no entry before the shards were allocated.
    pub databases: BTreeMap<String, Vec<Shard>>,
    /// Of two versions that differ the higher one is true: how often it was changed, and who did it.
    #[serde(default)]
    pub version: (u64, String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClusterState {
    pub members: BTreeMap<String, Role>,
    /// By key.
    pub keys: BTreeMap<String, ApiKey>,
    pub users: BTreeMap<String, Secret>,
    /// Token to user and end of life in epoch seconds.
    pub tokens: BTreeMap<String, (String, i64)>,
    pub storage: Storage,
    /// Number of configuration changes.
    pub config_changes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    Member(String, Role),
    Gone(String),
    Key(Box<ApiKey>),
    KeyDeleted(String),
    User(String, Secret),
    Token(String, String, i64),
    Storage(Storage),
    Site(String, String),
    /// How often the configuration has been changed by now.
    ConfigChanged(u64),
}

impl ClusterState {
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Member(name, role) => drop(self.members.insert(name, role)),
            Change::Gone(name) => drop(self.members.remove(&name)),
            Change::Key(key) => drop(self.keys.insert(key.key.clone(), *key)),
            Change::KeyDeleted(key) => drop(self.keys.remove(&key)),
            Change::User(name, secret) => drop(self.users.insert(name, secret)),
            Change::Token(token, user, until) => drop(self.tokens.insert(token, (user, until))),
            Change::Storage(storage) if storage.version > self.storage.version => self.storage = storage,
            Change::Storage(_) => {}
            Change::Site(site, node) => drop(self.storage.sites.insert(site, node)),
            Change::ConfigChanged(count) => self.config_changes = count.max(self.config_changes),
        }
    }

    pub fn key_named(&self, name: &str) -> Option<&ApiKey> {
        self.keys.values().find(|key| key.name == name)
    }
}
