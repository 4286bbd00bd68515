//! Metrics about each cluster, as the leader last saw it. The series of a deleted resource vanish, and a process that does not
//! lead has none, so that no cluster is reported twice.

use super::gauge;
use crate::clusters::Clusters;
use crate::index::Key;
use emqx_operator_core::Plan;
use emqx_operator_core::desired::{Desired, Role};
use emqx_operator_core::world::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use tokio::time::Instant;

/// One cluster as the leader last saw it.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    /// Type and status.
    conditions: Vec<(String, String)>,
    roles: Vec<RoleMetrics>,
    evacuations: usize,
    /// All sessions, and sessions with a client; `None` while EMQX does not answer.
    sessions: Option<(i64, i64)>,
    /// Since when each reason has caused a hold, as far as this process has seen.
    holds: BTreeMap<&'static str, Instant>,
}

#[derive(Debug)]
struct RoleMetrics {
    role: Role,
    wanted: i32,
    ready: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabels {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConditionLabels {
    namespace: String,
    name: String,
    r#type: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoleLabels {
    namespace: String,
    name: String,
    role: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HoldLabels {
    namespace: String,
    name: String,
    reason: &'static str,
}

impl ClusterMetrics {
    /// Takes in what a reconcile observed and planned.
    pub fn record_plan(&mut self, desired: &Desired, world: &World, plan: &Plan) {
        let ready = |role| world.pool(role).nodes.iter().filter(|node| node.is_ready()).count();
        let broker = world.broker.fresh();
        let total = |count: fn(&emqx_operator_core::world::BrokerNode) -> Option<i64>| {
            broker.map(|broker| broker.nodes.values().filter_map(count).fold(0, i64::saturating_add))
        };
        let now = Instant::now();
        let before = std::mem::take(&mut self.holds);
        let reasons = plan.holds.iter().map(|hold| hold.reason.as_str());
        *self = ClusterMetrics {
            conditions: std::mem::take(&mut self.conditions),
            roles: [Role::Core, Role::Replicant]
                .map(|role| RoleMetrics { role, wanted: desired.wanted(role), ready: ready(role) })
                .into(),
            evacuations: broker.and_then(|broker| broker.evacuations.fresh()).map_or(0, BTreeMap::len),
            sessions: total(|node| node.sessions).zip(total(|node| node.connections)),
            holds: reasons.map(|reason| (reason, before.get(reason).copied().unwrap_or(now))).collect(),
        };
    }

    /// Takes in the conditions of the status, also of a refused spec.
    pub fn record_conditions(&mut self, conditions: &[Condition]) {
        self.conditions = conditions.iter().map(|one| (one.type_.clone(), one.status.clone())).collect();
    }

    /// Whether a leader has recorded this cluster.
    fn is_seen(&self) -> bool {
        !(self.conditions.is_empty() && self.roles.is_empty())
    }

    /// A cluster with every metric.
    #[cfg(test)]
    pub fn example() -> Self {
        ClusterMetrics {
            conditions: vec![("Ready".to_owned(), "True".to_owned())],
            roles: vec![RoleMetrics { role: Role::Core, wanted: 3, ready: 3 }],
            evacuations: 1,
            sessions: Some((200, 150)),
            holds: BTreeMap::from([("EvacuatingSessions", Instant::now())]),
        }
    }
}

/// The series of all clusters.
#[derive(Debug)]
struct ClusterCollector(Clusters);

pub fn register(registry: &mut Registry, clusters: Clusters) {
    super::own(registry).register_collector(Box::new(ClusterCollector(clusters)));
}

fn labels(key: &Key) -> ClusterLabels {
    ClusterLabels { namespace: key.namespace.clone(), name: key.name.clone() }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

type Seen<'c> = [(&'c Key, parking_lot::MutexGuard<'c, ClusterMetrics>)];

fn conditions<'s>(clusters: &'s Seen<'_>) -> impl Iterator<Item = (ConditionLabels, f64)> + 's {
    let all = clusters.iter().flat_map(|(key, metrics)| metrics.conditions.iter().map(move |one| (*key, one)));
    all.flat_map(|(key, (kind, holds))| {
        ["True", "False", "Unknown"].map(|status| {
            let ClusterLabels { namespace, name } = labels(key);
            let labels = ConditionLabels { namespace, name, r#type: kind.clone(), status };
            (labels, f64::from(u8::from(status == holds)))
        })
    })
}

fn roles<'s>(clusters: &'s Seen<'_>, value: fn(&RoleMetrics) -> f64) -> impl Iterator<Item = (RoleLabels, f64)> + 's {
    let all = clusters.iter().flat_map(|(key, metrics)| metrics.roles.iter().map(move |role| (*key, role)));
    all.map(move |(key, metrics)| {
        let ClusterLabels { namespace, name } = labels(key);
        (RoleLabels { namespace, name, role: metrics.role.as_str() }, value(metrics))
    })
}

fn holds<'s>(clusters: &'s Seen<'_>) -> impl Iterator<Item = (HoldLabels, f64)> + 's {
    let all = clusters.iter().flat_map(|(key, metrics)| metrics.holds.iter().map(move |hold| (*key, hold)));
    all.map(|(key, (reason, since))| {
        let ClusterLabels { namespace, name } = labels(key);
        (HoldLabels { namespace, name, reason }, since.elapsed().as_secs_f64())
    })
}

impl Collector for ClusterCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.all();
        let clusters: Vec<_> = all.iter().map(|cluster| (&cluster.key, cluster.metrics.lock())).collect();
        let clusters = &clusters[..];
        let mut per_cluster = |name, text, value: fn(&ClusterMetrics) -> Option<f64>| {
            let seen = clusters.iter().filter(|(_, metrics)| metrics.is_seen());
            let series = seen.filter_map(|(key, metrics)| Some((labels(key), value(metrics)?)));
            gauge(&mut encoder, name, text, series)
        };
        per_cluster("cluster_evacuations", "EMQX nodes that are being evacuated or are closed", |f| {
            Some(count(f.evacuations))
        })?;
        let text = "MQTT sessions, connected or not, as EMQX last reported; none while EMQX does not answer";
        per_cluster("cluster_sessions", text, |metrics| metrics.sessions.map(|(all, _)| all as f64))?;
        let text = "Connected MQTT clients, as EMQX last reported; none while EMQX does not answer";
        per_cluster("cluster_connections", text, |metrics| metrics.sessions.map(|(_, connected)| connected as f64))?;
        let text = "Conditions of the resource: 1 for the status that holds, 0 for the others";
        gauge(&mut encoder, "cluster_condition", text, conditions(clusters))?;
        let text = "EMQX nodes that the spec wants";
        gauge(&mut encoder, "cluster_nodes_wanted", text, roles(clusters, |role| role.wanted.into()))?;
        let text = "EMQX nodes whose pods are ready";
        gauge(&mut encoder, "cluster_nodes_ready", text, roles(clusters, |role| count(role.ready)))?;
        let text = "How long a hold with this reason has lasted, in seconds, since this process leads";
        gauge(&mut encoder, "cluster_hold_seconds", text, holds(clusters))
    }
}
