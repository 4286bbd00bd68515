//! The figures a node shows of itself: its row of `GET /nodes`, its counters, its listeners.

use super::Node;
use crate::config::{Edition, ListenerRuntime, NodeListeners};
use serde_json::{Map, Value, json};

const COUNTERS: [&str; 13] = [
    "channels",
    "cluster_sessions",
    "connections",
    "delayed",
    "live_connections",
    "retained",
    "routes",
    "sessions",
    "suboptions",
    "subscribers",
    "subscriptions",
    "subscriptions.shared",
    "topics",
];

impl Node {
    /// `cluster_sessions` is the same on all nodes, so it is filled in by the node that was asked.
    pub(super) fn info(&self) -> Value {
        let counts = self.clients.counts();
        let edition = match self.profile.edition {
            Edition::OpenSource => "Opensource",
            Edition::Enterprise => "Enterprise",
        };
        json!({
            "node": self.name, "node_status": "running", "role": self.role, "version": self.version(),
            "edition": edition, "otp_release": "27.3.4.1/15.2.7",
            "connections": counts.sessions(), "live_connections": counts.connected, "cluster_sessions": 0,
            "load1": 0.11, "load5": 0.12, "load15": 0.13, "max_fds": 1_048_576,
            "memory_total": "15.56G", "memory_used": "2.31G",
            "process_available": 2_097_152, "process_used": 700, "uptime": self.uptime_ms(),
            "sys_path": "/opt/emqx", "log_path": "log.file.enable is false, not logging to file.",
        })
    }

    pub(super) fn stats(&self) -> Value {
        let counts = self.clients.counts();
        let mut stats = Map::new();
        for name in COUNTERS {
            let count = match name {
                "connections" | "sessions" | "channels" | "cluster_sessions" => counts.sessions(),
                "live_connections" => counts.connected,
                _ => 0,
            };
            stats.insert(format!("{name}.count"), count.into());
            stats.insert(format!("{name}.max"), count.into());
        }
        if !self.profile.since(5, 9) {
            stats.retain(|name, _| !name.starts_with("routes."));
        }
        Value::Object(stats)
    }

    /// Connected clients are shown on the first listener that runs.
    pub fn own_listeners(&self) -> NodeListeners {
        let mut connections = self.clients.counts().connected;
        let listeners = self.config().listeners();
        let runtime = listeners.into_iter().map(|listener| {
            let shown = if listener.enable { std::mem::take(&mut connections) } else { 0 };
            (listener.id(), ListenerRuntime { running: listener.enable, connections: shown })
        });
        NodeListeners { node: self.name.clone(), listeners: runtime.collect() }
    }
}
