//! What was measured, for files and for people.

use super::requests::PerCluster;
use serde::Serialize;
use std::fmt;

#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub clusters: usize,
    pub all_ready_seconds: f64,
    /// One for each cluster, in the order in which they became Ready.
    pub ready_seconds: Vec<f64>,
    pub until_ready: PerCluster,
    pub at_rest_per_minute: PerCluster,
    pub emqx_at_rest_per_minute: f64,
    pub change_milliseconds: Vec<f64>,
    pub change_beside_a_hanging_one_milliseconds: Vec<f64>,
    pub restart_seconds: f64,
    pub restart_writes: usize,
    pub memory_idle_kib: u64,
    pub memory_kib: u64,
    pub memory_after_restart_kib: u64,
}

impl Figures {
    pub(super) fn new(clusters: usize) -> Self {
        Self {
            clusters,
            all_ready_seconds: 0.0,
            ready_seconds: Vec::new(),
            until_ready: PerCluster::default(),
            at_rest_per_minute: PerCluster::default(),
            emqx_at_rest_per_minute: 0.0,
            change_milliseconds: Vec::new(),
            change_beside_a_hanging_one_milliseconds: Vec::new(),
            restart_seconds: 0.0,
            restart_writes: 0,
            memory_idle_kib: 0,
            memory_kib: 0,
            memory_after_restart_kib: 0,
        }
    }
}

fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1).min(last)).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let PerCluster { reads, writes } = self.until_ready;
        writeln!(f, "| {} clusters of 3 cores + 2 replicants | |\n| --- | --- |", self.clusters)?;
        writeln!(f, "| created at once, all Ready | {:.1} s |", self.all_ready_seconds)?;
        writeln!(f, "| first one Ready | {:.1} s |", self.ready_seconds.first().copied().unwrap_or(f64::NAN))?;
        writeln!(f, "| API server until Ready, per cluster | {reads:.1} reads, {writes:.1} writes |")?;
        let PerCluster { reads, writes } = self.at_rest_per_minute;
        let asked = self.emqx_at_rest_per_minute;
        writeln!(
            f,
            "| at rest, per cluster and minute | {reads:.2} reads, {writes:.2} writes, {asked:.1} EMQX calls |"
        )?;
        for (text, values) in [
            ("spec change to first child write", &self.change_milliseconds),
            ("the same while one EMQX API hangs", &self.change_beside_a_hanging_one_milliseconds),
        ] {
            let (half, most) = (percentile(values, 50.0), percentile(values, 99.0));
            writeln!(f, "| {text} | p50 {half:.0} ms, p99 {most:.0} ms |")?;
        }
        writeln!(
            f,
            "| restart, each cluster looked at | {:.1} s, {} writes |",
            self.restart_seconds, self.restart_writes
        )?;
        write!(
            f,
            "| resident memory | {:.1} MiB idle, {:.1} MiB with all, {:.1} MiB after a restart |",
            mib(self.memory_idle_kib),
            mib(self.memory_kib),
            mib(self.memory_after_restart_kib)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=50).map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), 25.0);
        assert_eq!(percentile(&values, 99.0), 50.0);
        assert_eq!(percentile(&[7.0], 99.0), 7.0);
    }
}
