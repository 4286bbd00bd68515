//! The operator as a process.

use crate::cluster::setting;
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// In the network of the cluster nothing else listens there.
const METRICS: &str = "127.0.0.1:18080";

pub(super) struct Process(Child);

impl Process {
    /// Returns when it serves its metrics.
    pub(super) async fn start(program: &Path) -> anyhow::Result<Process> {
        let mut command = Command::new(program);
        command.args(["--metrics-bind-address", METRICS, "--health-probe-bind-address", "0", "--log-level", "warn"]);
        command.env("KUBECONFIG", setting("EMQX_TEST_OPERATOR_KUBECONFIG")?).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("failed to start {}", program.display()))?;
        let process = Process(child);
        let started = Instant::now();
        while metrics().await.is_err() {
            ensure!(started.elapsed() < Duration::from_secs(30), "the operator does not serve its metrics");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(process)
    }

    pub(super) fn resident_kib(&self) -> anyhow::Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel tells VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Waits until it has finished as many passes as there are clusters.
    pub(super) async fn has_looked_at(&self, clusters: usize) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let text = metrics().await?;
            let passes = text.lines().filter(|line| line.starts_with("emqx_operator_reconciles_total"));
            let passes: f64 = passes.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
            if passes >= clusters as f64 {
                return Ok(());
            }
            ensure!(started.elapsed() < Duration::from_secs(300), "it looked at {passes} of {clusters} clusters");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn metrics() -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(METRICS).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
