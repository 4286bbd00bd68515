//! `GET /load_rebalance/global_status`: all that is being emptied or spread, whichever node is asked.

use super::{Evacuation, Rebalance};
use crate::api::read::json;
use crate::api::{Parts, Request};
use crate::credentials::Credentials;
use serde::Deserialize;

/// Reads evacuations and rebalances of the cluster. Nodes that do not answer the asked node are missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetGlobalStatus;

/// Running evacuations and rebalances. Both lists must be present: an absent list is not an empty one. (Purges exist in the command line only.)
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GlobalStatus {
    pub evacuations: Vec<Evacuation>,
    pub rebalances: Vec<Rebalance>,
}

impl Request for GetGlobalStatus {
    type Answer = GlobalStatus;
    type As = Credentials;
    const OPERATION: &'static str = "GET /load_rebalance/global_status";

    fn parts(&self) -> Parts {
        Parts::get(&["load_rebalance", "global_status"])
    }

    fn read(&self, body: &[u8]) -> Result<GlobalStatus, String> {
        json(body)
    }
}
