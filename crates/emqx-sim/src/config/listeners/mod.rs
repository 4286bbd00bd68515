//! MQTT listeners: which exist, where they listen, and how the API shows them.

mod api;
mod bind;

pub use api::{ListenerRuntime, NodeListeners};
pub use bind::Bind;

use super::Config;
use super::value::merge;
use serde_json::{Map, Value, json};

/// Stands for a shipped listener that a user deleted.
pub(super) const DELETED: &str = "marked_for_deletion";

/// In the order of `GET /listeners`.
const TYPES: [&str; 5] = ["tcp", "ssl", "ws", "wss", "quic"];

/// A listener of the effective configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// `tcp`, `ssl`, `ws`, `wss` or `quic`
    pub kind: String,
    pub name: String,
    pub bind: Bind,
    pub enable: bool,
    /// All its fields.
    pub config: Map<String, Value>,
}

impl Listener {
    pub fn id(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }

    fn read(kind: &str, name: &str, config: &Value) -> Option<Self> {
        let config = config.as_object()?;
        Some(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            bind: Bind::read(config.get("bind")?)?,
            enable: config.get("enable") != Some(&Value::Bool(false)),
            config: config.clone(),
        })
    }
}

/// What a change of the root `listeners` starts and stops; a listener with another bind is in both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListenerChanges {
    pub started: Vec<Listener>,
    pub stopped: Vec<Listener>,
}

impl ListenerChanges {
    pub(super) fn between(old: Option<&Value>, new: Option<&Value>) -> Self {
        let (old, new) = (running(old), running(new));
        let missing = |from: &[Listener], among: &[Listener]| -> Vec<Listener> {
            let same = |a: &Listener, b: &Listener| a.id() == b.id() && a.bind == b.bind;
            from.iter().filter(|a| !among.iter().any(|b| same(a, b))).cloned().collect()
        };
        Self { started: missing(&new, &old), stopped: missing(&old, &new) }
    }
}

pub(super) fn running(root: Option<&Value>) -> Vec<Listener> {
    read_all(root).into_iter().filter(|listener| listener.enable).collect()
}

/// Entries named alike stand together, and within a name the types in their usual order.
fn read_all(root: Option<&Value>) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for kind in TYPES {
        let entries = root.and_then(|root| root.get(kind)).and_then(Value::as_object).into_iter().flatten();
        listeners.extend(entries.filter_map(|(name, config)| Listener::read(kind, name, config)));
    }
    listeners.sort_by(|a, b| a.name.cmp(&b.name));
    listeners
}

impl Config {
    /// All listeners, disabled ones too.
    pub fn listeners(&self) -> Vec<Listener> {
        read_all(self.effective.get("listeners"))
    }

    /// The root as it is stored: a shipped listener that was deleted would come back at the next boot without a mark.
    pub(super) fn with_deletions(&self, root: &Value) -> Value {
        let shipped = self.schema.defaults.get("listeners").and_then(Value::as_object).into_iter().flatten();
        let mut stored = root.clone();
        for (kind, entries) in shipped {
            for name in entries.as_object().into_iter().flat_map(Map::keys) {
                if root.get(kind).and_then(|entries| entries.get(name)).is_none() {
                    stored = merge(stored, json!({kind: {name: DELETED}}));
                }
            }
        }
        stored
    }

    pub fn listener(&self, id: &str) -> Option<Listener> {
        self.listeners().into_iter().find(|listener| listener.id() == id)
    }
}
