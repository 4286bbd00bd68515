//! `/listeners`: which MQTT ports are open.

use super::read::{count, json, lenient};
use super::{Parts, Request};
use crate::credentials::Credentials;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Lists the listeners of all nodes. Four default ones exist even if none is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetListeners;

/// A listener, over all nodes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Listener {
    /// `tcp:default`.
    pub id: String,
    /// `tcp`, `ssl`, `ws`, `wss` or `quic` (UDP).
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// What the answering node binds: `:1883`, `0.0.0.0:1883`, `[::]:1883`.
    #[serde(deserialize_with = "bind")]
    pub bind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub enable: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub status: Option<ListenerStatus>,
    #[serde(default, deserialize_with = "lenient")]
    pub node_status: Option<Vec<NodeListener>>,
}

/// How a listener is doing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ListenerStatus {
    pub running: Running,
    #[serde(default, deserialize_with = "lenient")]
    pub max_connections: Option<Limit>,
    #[serde(default, deserialize_with = "count")]
    pub current_connections: Option<i64>,
}

/// A listener on one node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NodeListener {
    pub node: String,
    pub status: ListenerStatus,
}

/// Whether a listener runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    Yes,
    No,
    /// On some nodes only.
    Inconsistent,
    Unknown(String),
}

impl<'de> Deserialize<'de> for Running {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Running, D::Error> {
        Ok(match Value::deserialize(field)? {
            Value::Bool(true) => Running::Yes,
            Value::Bool(false) => Running::No,
            Value::String(text) if text == "inconsistent" => Running::Inconsistent,
            Value::String(text) => Running::Unknown(text),
            other => Running::Unknown(other.to_string()),
        })
    }
}

/// How much is allowed: an integer or `"infinity"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Count(i64),
    Unlimited,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Limit, D::Error> {
        let value = Value::deserialize(field)?;
        if value == "infinity" {
            return Ok(Limit::Unlimited);
        }
        value.as_i64().map(Limit::Count).ok_or_else(|| serde::de::Error::custom("neither an integer nor infinity"))
    }
}

/// Reads how one listener is configured; 404 if there is none of that id.
#[derive(Clone, Debug)]
pub struct GetListener {
    /// `tcp:default`.
    pub id: String,
}

/// A listener's configuration, as far as ports need it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ListenerConfig {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(deserialize_with = "bind")]
    pub bind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub enable: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub running: Option<Running>,
}

/// A port alone may come as a number.
pub(super) fn bind<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    match Value::deserialize(field)? {
        Value::String(address) => Ok(address),
        Value::Number(port) => Ok(format!(":{port}")),
        _ => Err(serde::de::Error::custom("neither a port nor an address")),
    }
}

impl Request for GetListeners {
    type Answer = Vec<Listener>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /listeners";

    fn parts(&self) -> Parts {
        Parts::get(&["listeners"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Listener>, String> {
        json(body)
    }
}

impl Request for GetListener {
    type Answer = ListenerConfig;
    type As = Credentials;
    const OPERATION: &'static str = "GET /listeners/:id";

    fn parts(&self) -> Parts {
        Parts::get(&["listeners", &self.id])
    }

    fn read(&self, body: &[u8]) -> Result<ListenerConfig, String> {
        json(body)
    }
}
