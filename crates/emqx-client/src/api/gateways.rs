//! `/gateways`: which other protocols EMQX speaks, and on which ports.

use super::listeners::{Running, bind};
use super::read::{count, json, lenient};
use super::{Parts, Request};
use crate::credentials::Credentials;
use serde::Deserialize;

/// Lists all gateways that this EMQX knows, loaded or not. 500 if any node does not answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetGateways;

/// A gateway. Its ports are in [`GetGatewayListeners`] only.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Gateway {
    /// `stomp`, `mqttsn`, `coap` and so on.
    pub name: String,
    pub status: GatewayStatus,
    #[serde(default, deserialize_with = "count")]
    pub current_connections: Option<i64>,
}

/// Whether a gateway works.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayStatus {
    Running,
    Stopped,
    /// Not configured.
    Unloaded,
    #[serde(untagged)]
    Unknown(String),
}

/// Lists the ports of a gateway; 404 if it is not loaded.
#[derive(Clone, Debug)]
pub struct GetGatewayListeners {
    pub gateway: String,
}

/// A port of a gateway.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct GatewayListener {
    /// `stomp:tcp:default`.
    pub id: String,
    /// `tcp`, `ssl`, `udp`, `dtls`, `ws` or `wss`.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// `:61613`, `0.0.0.0:61613`, `[::]:61613`.
    #[serde(deserialize_with = "bind")]
    pub bind: String,
    #[serde(default, deserialize_with = "lenient")]
    pub enable: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub running: Option<Running>,
}

impl Request for GetGateways {
    type Answer = Vec<Gateway>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /gateways";

    fn parts(&self) -> Parts {
        Parts::get(&["gateways"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<Gateway>, String> {
        json(body)
    }
}

impl Request for GetGatewayListeners {
    type Answer = Vec<GatewayListener>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /gateways/:name/listeners";

    fn parts(&self) -> Parts {
        Parts::get(&["gateways", &self.gateway, "listeners"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<GatewayListener>, String> {
        json(body)
    }
}
