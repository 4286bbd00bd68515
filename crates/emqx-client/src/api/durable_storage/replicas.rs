//! `/ds/storages/:ds/replicas`: which sites hold a database.

use crate::api::read::{json, nothing};
use crate::api::{Parts, Request};
use crate::credentials::Credentials;
use reqwest::Method;

/// Lists the sites that hold replicas now. During a change that is the union of old and new; the storage's transitions
/// tell when it is over.
#[derive(Clone, Debug)]
pub struct GetReplicas {
    pub storage: String,
}

/// Sets the sites that hold replicas; EMQX moves the replicas afterwards. It replaces an earlier target, and repeating the current
/// target is fine. 400 for unknown or lost sites and for too few. EMQX does not check roles: name only sites of cores.
#[derive(Clone, Debug)]
pub struct PutReplicas {
    pub storage: String,
    pub sites: Vec<String>,
}

impl Request for GetReplicas {
    type Answer = Vec<String>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /ds/storages/:ds/replicas";

    fn parts(&self) -> Parts {
        Parts::get(&["ds", "storages", &self.storage, "replicas"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<String>, String> {
        json(body)
    }
}

impl Request for PutReplicas {
    type Answer = ();
    type As = Credentials;
    const OPERATION: &'static str = "PUT /ds/storages/:ds/replicas";

    fn parts(&self) -> Parts {
        Parts::new(Method::PUT, &["ds", "storages", &self.storage, "replicas"]).json(&self.sites)
    }

    /// 202 with `OK`, which is no JSON although it is called so.
    fn read(&self, body: &[u8]) -> Result<(), String> {
        nothing(body)
    }
}
