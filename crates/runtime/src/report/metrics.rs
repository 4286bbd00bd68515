//! Metrics about the work of the operator. Labels are bounded: namespaces and names of resources, and closed sets.

use crate::index::Key;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Result {
    Success,
    Refused,
    Error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: Result,
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
    condition: &'static str,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ResultLabels, Counter>,
    reconcile_seconds: Histogram,
    conditions: Family<ConditionLabels, Gauge>,
    nodes_wanted: Family<ClusterLabels, Gauge>,
    leading: Gauge,
    seen: Mutex<BTreeSet<(Key, &'static str)>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("emqx_operator");
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            conditions: Family::default(),
            nodes_wanted: Family::default(),
            leading: Gauge::default(),
            seen: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register("reconciles", "Passes over a cluster, by how they ended", metrics.reconciles.clone());
        registry.register("reconcile_seconds", "Duration of passes in seconds", metrics.reconcile_seconds.clone());
        let text = "Whether a condition of an EMQX resource is True";
        registry.register("cluster_condition", text, metrics.conditions.clone());
        registry.register("cluster_nodes_wanted", "EMQX nodes that the spec wants", metrics.nodes_wanted.clone());
        registry.register("leading", "Whether this process is the one that acts", metrics.leading.clone());
        Self { registry, ..metrics }
    }
}

impl Metrics {
    pub fn pass(&self, result: Result, duration: Duration) {
        self.reconciles.get_or_create(&ResultLabels { result }).inc();
        self.reconcile_seconds.observe(duration.as_secs_f64());
    }

    pub fn leading(&self, leading: bool) {
        self.leading.set(leading.into());
    }

    pub fn nodes_wanted(&self, key: &Key, nodes: i32) {
        let labels = ClusterLabels { namespace: key.namespace.clone(), name: key.name.clone() };
        self.nodes_wanted.get_or_create(&labels).set(nodes.into());
    }

    pub fn condition(&self, key: &Key, condition: &'static str, holds: bool) {
        self.conditions.get_or_create(&condition_labels(key, condition)).set(holds.into());
        self.seen.lock().expect("no holder of this lock panics").insert((key.clone(), condition));
    }

    /// The resource is gone, and its series with it.
    pub fn forget(&self, key: &Key) {
        self.nodes_wanted.remove(&ClusterLabels { namespace: key.namespace.clone(), name: key.name.clone() });
        let mut seen = self.seen.lock().expect("no holder of this lock panics");
        for (_, condition) in seen.iter().filter(|(seen, _)| seen == key) {
            self.conditions.remove(&condition_labels(key, condition));
        }
        seen.retain(|(seen, _)| seen != key);
    }

    /// The text that Prometheus scrapes.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => unreachable!("writing to a String does not fail: {error}"),
        }
    }
}

fn condition_labels(key: &Key, condition: &'static str) -> ConditionLabels {
    ConditionLabels { namespace: key.namespace.clone(), name: key.name.clone(), condition }
}
