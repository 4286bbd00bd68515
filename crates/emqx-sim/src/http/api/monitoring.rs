//! Metrics, alarms and lists of clients. Names and groups of metrics are as in real brokers; most values are zero.

use super::super::{Context, Reply};
use super::cluster::sessions;
use crate::config::{Answer, Edition};
use crate::license::License;
use serde_json::{Map, Value, json};

/// All metrics of a 5.10.4 node without durable sessions.
const NAMES: &str = include_str!("metrics.json");
/// Not there before 5.9.
const NEWER: [&str; 6] = [
    "emqx_messages_dropped_quota_exceeded",
    "emqx_messages_dropped_receive_maximum",
    "emqx_routes_count",
    "emqx_routes_max",
    "emqx_license_issued_at",
    "emqx_license_max_sessions",
];

pub(super) async fn metrics(ctx: &Context<'_>) -> Reply {
    let groups = values(ctx).await;
    if ctx.wants_json() {
        return Reply::json(&Value::Object(groups));
    }
    let flat = groups.values().flat_map(|group| match group {
        Value::Array(rows) => rows.iter().filter_map(Value::as_object).collect::<Vec<_>>(),
        other => other.as_object().into_iter().collect(),
    });
    let lines = flat.flatten().map(|(name, value)| format!("# TYPE {name} gauge\n{name} {value}\n\n"));
    Answer::text(200, lines.collect()).into()
}

async fn values(ctx: &Context<'_>) -> Map<String, Value> {
    let mut groups: Map<String, Value> = serde_json::from_str(NAMES).expect("the file is part of this crate");
    let node = ctx.node;
    let counts = node.clients.counts();
    let (running, members) = (node.running().await.len(), node.cluster_state().members.len());
    groups["stats"]["emqx_connections_count"] = counts.sessions().into();
    groups["stats"]["emqx_sessions_count"] = counts.sessions().into();
    groups["stats"]["emqx_live_connections_count"] = counts.connected.into();
    groups["stats"]["emqx_cluster_sessions_count"] = sessions(ctx).await.into();
    groups["cluster"]["emqx_cluster_nodes_running"] = running.into();
    groups["cluster"]["emqx_cluster_nodes_stopped"] = members.saturating_sub(running).into();
    groups["cluster_rpc"]["emqx_conf_sync_txid"] = node.cluster_state().config_changes.into();
    // Shares of a processor are floats.
    groups["metrics"]["emqx_vm_cpu_use"] = json!(1.5);
    groups["metrics"]["emqx_vm_cpu_idle"] = json!(98.5);
    match license_expiry(ctx) {
        Some(expiry) => groups["license"]["emqx_license_expiry_at"] = expiry.into(),
        None => drop(groups.remove("license")),
    }
    if !node.profile.since(5, 9) {
        groups["packets"]["emqx_packets_publish_dropped"] = 0.into();
        for group in groups.values_mut().filter_map(Value::as_object_mut) {
            group.retain(|name, _| !NEWER.contains(&name.as_str()));
        }
    }
    groups
}

fn license_expiry(ctx: &Context<'_>) -> Option<i64> {
    let node = ctx.node;
    if node.profile.edition == Edition::OpenSource {
        return None;
    }
    let license = License::parse(node.profile, node.config().license_key()?)?;
    let expiry = license.to_json(node.profile)["expiry_at"].as_str()?.parse::<jiff::civil::Date>().ok()?;
    Some(expiry.in_tz("UTC").ok()?.timestamp().as_second())
}

/// Nothing is listed: no alarm is ever raised, and clients are numbers here.
pub(super) fn empty_page(ctx: &Context<'_>) -> Reply {
    let number = |name: &str, default: u64| ctx.query(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let meta = json!({"count": 0, "limit": number("limit", 100), "page": number("page", 1), "hasnext": false});
    Reply::json(&json!({"data": [], "meta": meta}))
}

pub(super) async fn sessions_count(ctx: &Context<'_>) -> Reply {
    Reply::json(&json!(sessions(ctx).await))
}
