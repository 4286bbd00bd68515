//! What EMQX knows: roots, fields, types and defaults, derived from the effective configuration real brokers showed
//! (`defaults/*.hocon`) plus fields without default (`defaults/optional.hocon`).
//!
//! Limit: a field that neither file holds is refused as unknown, and below the free paths anything is accepted.

use super::hocon;
use super::profile::{Edition, Profile};
use super::value::merge_maps;
use serde_json::{Map, Value};
use std::sync::OnceLock;

/// Users name the entries of these maps; every entry has the fields of the template.
const MAPS: [&str; 6] =
    ["listeners.tcp", "listeners.ssl", "listeners.ws", "listeners.wss", "listeners.quic", "log.file"];

/// Too wide to describe here: authenticators, connectors, rules and their like are taken as they come.
const FREE: [&str; 24] = [
    "actions",
    "ai",
    "bridges",
    "cluster.etcd",
    "cluster.k8s",
    "connectors",
    "dashboard.sso",
    "durable_storage",
    "exhook",
    "file_transfer.storage",
    "gateway",
    "limiter",
    "listeners.quic.*.ssl_options",
    "message_transformation",
    "mqtt.limiter",
    "opentelemetry",
    "prometheus.headers",
    "prometheus.push_gateway.headers",
    "retainer.flow_control",
    "rule_engine.rules",
    "schema_registry",
    "sources",
    "sysmon.top",
    "zones",
];

/// Roots that exist but never show in `GET /configs` as text.
const HIDDEN: [&str; 4] = ["broker", "opentelemetry", "plugins", "zones"];

/// How the value at a path is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Fixed,
    Named,
    Free,
}

#[derive(Debug)]
pub(super) struct Schema {
    /// Every root with its defaults.
    pub(super) defaults: Map<String, Value>,
    /// The defaults plus a sample of every field without default.
    pub(super) known: Map<String, Value>,
}

impl Schema {
    /// The nearest recorded release of the edition.
    pub(super) fn of(profile: Profile) -> &'static Self {
        static SCHEMAS: [OnceLock<Schema>; 3] = [const { OnceLock::new() }; 3];
        const TEXTS: [&str; 3] = [
            include_str!("defaults/ce-5.8.hocon"),
            include_str!("defaults/ee-5.8.hocon"),
            include_str!("defaults/ee-5.10.hocon"),
        ];
        let nearest = match (profile.since(5, 9), profile.edition) {
            (true, _) => 2,
            (false, Edition::Enterprise) => 1,
            (false, Edition::OpenSource) => 0,
        };
        SCHEMAS[nearest].get_or_init(|| Self::read(TEXTS[nearest]))
    }

    fn read(text: &str) -> Self {
        let defaults = shipped(text);
        let mut optional = shipped(include_str!("defaults/optional.hocon"));
        if !defaults.contains_key("license") {
            optional.remove("license");
        }
        // The defaults come last: their values are the better samples.
        let known = merge_maps(optional, defaults.clone());
        Self { defaults, known }
    }

    pub(super) fn has_root(&self, root: &str) -> bool {
        self.known.contains_key(root)
    }

    /// Whether an environment variable may name this path.
    pub(super) fn has_path(&self, path: &[String]) -> bool {
        let mut here = path.first().and_then(|root| self.known.get(root));
        for depth in 1..path.len() {
            here = match (shape(&path[..depth].join(".")), here) {
                (Shape::Free, _) | (_, Some(Value::Array(_))) => return true,
                (Shape::Named, _) => template(&path[..depth].join("."), here),
                (Shape::Fixed, here) => here.and_then(|value| value.get(unaliased(&path[depth]))),
            };
        }
        here.is_some() || path.first().is_some_and(|root| FREE.contains(&root.as_str()))
    }
}

fn shipped(text: &str) -> Map<String, Value> {
    hocon::parse(text).expect("the files in defaults/ are HOCON: a test reads them all")
}

pub(super) fn is_hidden(root: &str) -> bool {
    HIDDEN.contains(&root)
}

pub(super) fn shape(path: &str) -> Shape {
    if MAPS.contains(&path) {
        Shape::Named
    } else if FREE.iter().any(|free| matches(free, path)) {
        Shape::Free
    } else {
        Shape::Fixed
    }
}

/// `*` stands for one name.
fn matches(pattern: &str, path: &str) -> bool {
    let mut names = path.split('.');
    pattern.split('.').all(|part| names.next().is_some_and(|name| part == "*" || part == name))
        && names.next().is_none()
}

/// The fields of an entry in a map of named entries.
pub(super) fn template<'a>(path: &str, map: Option<&'a Value>) -> Option<&'a Value> {
    static QUIC: OnceLock<Value> = OnceLock::new();
    if path == "listeners.quic" {
        return Some(QUIC.get_or_init(|| Value::Object(shipped(include_str!("defaults/quic.hocon")))));
    }
    map?.get("default")
}

/// EMQX accepts `enabled` wherever a field is called `enable`.
pub(super) fn unaliased(field: &str) -> &str {
    if field == "enabled" { "enable" } else { field }
}
