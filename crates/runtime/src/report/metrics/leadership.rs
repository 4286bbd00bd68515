//! Metrics about the lease.

use crate::settings::LEASE;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LeaseLabels {
    name: &'static str,
}

/// Whether this process leads.
pub struct Leading {
    own: Gauge,
    compatible: Family<LeaseLabels, Gauge>,
}

impl Leading {
    pub fn new(registry: &mut Registry) -> Self {
        let leading = Self { own: Gauge::default(), compatible: Family::default() };
        let help = "Whether this process leads";
        super::own(registry).register("leading", help, leading.own.clone());
        registry.register("leader_election_master_status", help, leading.compatible.clone());
        leading.set(false);
        leading
    }

    pub fn set(&self, leads: bool) {
        self.own.set(leads.into());
        self.compatible.get_or_create(&LeaseLabels { name: LEASE }).set(leads.into());
    }
}
