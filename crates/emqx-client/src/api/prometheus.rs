//! `GET /prometheus/stats`: EMQX's metrics, passed on as they are.

use super::read::text;
use super::{Parts, Request};
use crate::credentials::Credentials;

/// Reads metrics in Prometheus' text format. Credentials are needed from 6.3 on or if so configured; EMQX ignores them
/// otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetPrometheusStats {
    pub mode: PrometheusMode,
}

/// Whose metrics. The last two are known since 5.5 and take up to 30 s if a node hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrometheusMode {
    /// Metrics of the answering node.
    #[default]
    Node,
    /// The sum over all nodes.
    AllNodesAggregated,
    /// Metrics of all nodes, with a label for the node.
    AllNodesUnaggregated,
}

impl Request for GetPrometheusStats {
    type Answer = String;
    type As = Credentials;
    const OPERATION: &'static str = "GET /prometheus/stats";

    fn parts(&self) -> Parts {
        let mode = match self.mode {
            PrometheusMode::Node => None,
            PrometheusMode::AllNodesAggregated => Some("all_nodes_aggregated"),
            PrometheusMode::AllNodesUnaggregated => Some("all_nodes_unaggregated"),
        };
        Parts::get(&["prometheus", "stats"]).query("mode", mode).accepting_text()
    }

    fn read(&self, body: &[u8]) -> Result<String, String> {
        text(body)
    }
}
