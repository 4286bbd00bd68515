//! `GET /alarms`: what EMQX itself complains about. Its details are left out: they may hold configuration.

use super::read::{count, json, lenient};
use super::{Parts, Request};
use crate::credentials::Credentials;
use serde::Deserialize;

/// Lists the alarms of all nodes that are active now, the first hundred.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetAlarms;

/// A page of alarms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Alarms {
    #[serde(rename = "data")]
    pub alarms: Vec<Alarm>,
}

/// One alarm of one node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Alarm {
    /// Such as `high_system_memory_usage` or `partition`.
    pub name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub node: Option<String>,
    /// For people.
    #[serde(default, deserialize_with = "lenient")]
    pub message: Option<String>,
    /// RFC 3339.
    #[serde(default, deserialize_with = "lenient")]
    pub activate_at: Option<String>,
    /// Milliseconds.
    #[serde(default, deserialize_with = "count")]
    pub duration: Option<i64>,
}

impl Request for GetAlarms {
    type Answer = Alarms;
    type As = Credentials;
    const OPERATION: &'static str = "GET /alarms";

    fn parts(&self) -> Parts {
        Parts::get(&["alarms"])
    }

    fn read(&self, body: &[u8]) -> Result<Alarms, String> {
        json(body)
    }
}
