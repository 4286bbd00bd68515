//! What the operator asked of the API server, by its audit log. Watches and leases are left out.

use crate::audit;
use jiff::Timestamp;
use serde::Serialize;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Requests {
    pub(super) reads: usize,
    pub(super) writes: usize,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PerCluster {
    pub reads: f64,
    pub writes: f64,
}

impl Requests {
    pub(super) fn each(self, clusters: usize) -> PerCluster {
        let share = |number: usize| number as f64 / clusters as f64;
        PerCluster { reads: share(self.reads), writes: share(self.writes) }
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// Since this moment.
pub(super) fn count(begun: Timestamp) -> anyhow::Result<Requests> {
    let mut counted = Requests::default();
    for event in audit::requests() {
        let at: Option<Timestamp> = event["requestReceivedTimestamp"].as_str().and_then(|text| text.parse().ok());
        if at.is_none_or(|at| at < begun) || event["objectRef"]["resource"] == "leases" {
            continue;
        }
        match event["verb"].as_str().unwrap_or_default() {
            "get" | "list" => counted.reads += 1,
            "create" | "update" | "patch" | "delete" => counted.writes += 1,
            _ => {}
        }
    }
    Ok(counted)
}
