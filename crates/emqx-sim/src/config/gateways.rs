//! Gateways: which exist, which are loaded, and where they listen.

use super::Config;
use super::answer::Answer;
use super::listeners::Bind;
use super::profile::{Edition, Profile};
use super::update::{Applied, Mode};
use super::value::merge;
use serde_json::{Map, Value, json};

/// Name, whether it is Enterprise only, and the release it came with. In the order of `GET /gateways`.
const GATEWAYS: [(&str, bool, (u32, u32)); 9] = [
    ("coap", false, (5, 0)),
    ("exproto", false, (5, 0)),
    ("gbt32960", true, (5, 4)),
    ("jt808", true, (6, 0)),
    ("lwm2m", false, (5, 0)),
    ("nats", true, (5, 10)),
    ("ocpp", true, (5, 4)),
    ("stomp", false, (5, 0)),
    ("mqttsn", false, (5, 0)),
];

/// A listener of a loaded gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayListener {
    pub gateway: String,
    /// `tcp`, `ssl`, `udp`, `dtls`, `ws` or `wss`
    pub kind: String,
    pub name: String,
    pub bind: Bind,
    pub enable: bool,
}

impl GatewayListener {
    pub fn id(&self) -> String {
        format!("{}:{}:{}", self.gateway, self.kind, self.name)
    }
}

fn known(profile: Profile) -> impl Iterator<Item = &'static str> {
    let fits = move |enterprise: bool, (major, minor): (u32, u32)| {
        profile.since(major, minor) && (!enterprise || profile.edition == Edition::Enterprise)
    };
    GATEWAYS.into_iter().filter(move |(_, enterprise, since)| fits(*enterprise, *since)).map(|(name, _, _)| name)
}

impl Config {
    /// `GET /gateways?status=`; `started_at` is the time shown for running ones, `node` the name of this node.
    pub fn get_gateways(&self, status: Option<&str>, node: &str, started_at: &str) -> Answer {
        let rows = known(self.profile).map(|name| self.gateway_row(name, node, started_at));
        Answer::json(200, &rows.filter(|row| status.is_none_or(|status| row["status"] == status)).collect())
    }

    fn gateway_row(&self, name: &str, node: &str, started_at: &str) -> Value {
        let Some(config) = self.gateway(name) else { return json!({"name": name, "status": "unloaded"}) };
        let status = if config.get("enable") == Some(&json!(false)) { "stopped" } else { "running" };
        let listeners = self.gateway_listeners(name).into_iter().map(
            |one| json!({"id": one.id(), "type": one.kind, "name": one.name, "running": one.enable && status == "running"}),
        );
        json!({
            "name": name, "status": status, "created_at": started_at, "started_at": started_at,
            "max_connections": 1_024_000, "current_connections": 0,
            "listeners": listeners.collect::<Value>(),
            "node_status": [{"node": node, "status": status, "max_connections": 1_024_000, "current_connections": 0}],
        })
    }

    fn gateway(&self, name: &str) -> Option<&Map<String, Value>> {
        self.effective.get("gateway")?.get(name)?.as_object()
    }

    /// The listeners of a loaded gateway; those without bind are left out: they never started.
    pub fn gateway_listeners(&self, name: &str) -> Vec<GatewayListener> {
        let kinds = self.gateway(name).and_then(|config| config.get("listeners")).and_then(Value::as_object);
        let entries = kinds.into_iter().flatten().flat_map(|(kind, named)| {
            named.as_object().into_iter().flatten().map(move |(entry, config)| (kind, entry, config))
        });
        entries
            .filter_map(|(kind, entry, config)| {
                Some(GatewayListener {
                    gateway: name.to_owned(),
                    kind: kind.clone(),
                    name: entry.clone(),
                    bind: Bind::read(config.get("bind")?)?,
                    enable: config.get("enable") != Some(&json!(false)),
                })
            })
            .collect()
    }

    /// `GET /gateways/:name/listeners`
    pub fn get_gateway_listeners(&self, name: &str, node: &str) -> Answer {
        if self.gateway(name).is_none() {
            return Answer::error(404, "RESOURCE_NOT_FOUND", "Gateway not loaded");
        }
        let rows = self.gateway_listeners(name).into_iter().map(|one| {
            let status = json!({"running": one.enable, "max_connections": 1024, "current_connections": 0});
            json!({
                "id": one.id(), "type": one.kind, "name": one.name, "bind": one.bind.to_string(), "enable": one.enable,
                "status": status, "node_status": [{"node": node, "status": status}],
            })
        });
        Answer::json(200, &rows.collect())
    }

    /// `PUT /gateways/:name`: loads or changes a gateway.
    pub fn put_gateway(&mut self, name: &str, body: &Value) -> Result<(Answer, Applied), Answer> {
        if !known(self.profile).any(|known| known == name) {
            return Err(Answer::error(404, "NOT_FOUND", &format!("Unknown gateway: {name}")));
        }
        if !all_bound(body) {
            let text = "Unsupported code 'UNKNOWN_ERROR', message <<\"{badkey,bind}\">>";
            return Err(Answer { content_type: Some("application/json"), ..Answer::text(500, text.to_owned()) });
        }
        Ok((Answer::empty(204), self.set_gateway(name, keyed(body), Mode::Replace)))
    }

    /// `PUT /gateways/:name/enable/:enable`
    pub fn enable_gateway(&mut self, name: &str, enable: bool) -> Result<(Answer, Applied), Answer> {
        if self.gateway(name).is_none() {
            return Err(Answer::error(404, "RESOURCE_NOT_FOUND", "Gateway not loaded"));
        }
        Ok((Answer::empty(204), self.set_gateway(name, json!({"enable": enable}), Mode::Merge)))
    }

    fn set_gateway(&mut self, name: &str, config: Value, mode: Mode) -> Applied {
        let mut root = self.effective.get("gateway").and_then(Value::as_object).cloned().unwrap_or_default();
        let config = match (mode, root.remove(name)) {
            (Mode::Merge, Some(old)) => merge(old, config),
            (Mode::Merge, None) | (Mode::Replace, _) => config,
        };
        root.insert(name.to_owned(), config);
        self.adopt(Map::from_iter([("gateway".to_owned(), Value::Object(root))]))
    }
}

/// The API lists listeners as an array, the configuration keeps them by type and name.
fn keyed(body: &Value) -> Value {
    let mut config = body.clone();
    let Some(listeners) = body.get("listeners").and_then(Value::as_array) else { return config };
    let nested = listeners.iter().filter_map(|listener| {
        let (kind, name) = (listener.get("type")?.as_str()?, listener.get("name")?.as_str()?);
        Some(json!({kind: {name: listener}}))
    });
    config["listeners"] = nested.fold(json!({}), merge);
    config
}

fn all_bound(body: &Value) -> bool {
    match body.get("listeners") {
        Some(Value::Array(listeners)) => listeners.iter().all(|listener| listener.get("bind").is_some()),
        _ => true,
    }
}
