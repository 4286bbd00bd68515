//! What Prometheus scrapes. One file per family; labels are bounded: names of resources, and closed sets.
//!
//! Names that dashboards and alerts for the Go operator use (`controller_runtime_*`, `workqueue_depth`,
//! `rest_client_requests_total`, `leader_election_master_status`) are offered beside our own.
//! `docs/reference/metrics.md` is written from what is registered here.

mod clusters;
mod leadership;
mod process;
mod queue;
mod reconciles;
#[cfg(test)]
mod reference;
mod requests;

pub use clusters::ClusterMetrics;
pub use leadership::Leading;
pub use queue::Queue;
pub use reconciles::{Outcome, Reconciles};
pub use requests::{EmqxRequests, KubernetesRequests};

use crate::clusters::Clusters;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeMetric as _;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// The only kind of resource so far that is reconciled, as the label `kind` says it.
const KIND: &str = "EMQX";
/// The same as a controller of controller-runtime is called.
const CONTROLLER: &str = "emqx";

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    pub reconciles: Reconciles,
    pub queue: Queue,
    pub kubernetes: KubernetesRequests,
    pub emqx: EmqxRequests,
    pub leading: Leading,
}

impl Metrics {
    /// With the number of clusters that may be worked on at the same time.
    pub fn new(concurrency: u16, known: Clusters) -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            reconciles: Reconciles::new(&mut registry, concurrency),
            queue: Queue::new(&mut registry),
            kubernetes: KubernetesRequests::new(&mut registry),
            emqx: EmqxRequests::new(&mut registry),
            leading: Leading::new(&mut registry),
            registry: Registry::default(),
        };
        clusters::register(&mut registry, known);
        process::register(&mut registry);
        Self { registry, ..metrics }
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

/// Our own names begin with this.
fn own(registry: &mut Registry) -> &mut Registry {
    registry.sub_registry_with_prefix("emqx_operator")
}

/// One gauge whose series are known only when they are asked for.
fn gauge<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl IntoIterator<Item = (L, f64)>,
) -> fmt::Result {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
