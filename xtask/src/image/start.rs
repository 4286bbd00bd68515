//! How long the operator takes from its start until it answers probes.

use crate::shell;
use anyhow::{Context as _, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Answers of nobody: the operator must live while it waits for its API server.
const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: none, cluster: {server: 'http://127.0.0.1:9'}}]
users: [{name: none, user: {}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
current-context: none
";

/// From the start of the process to the first answer of `/healthz`.
pub(super) fn time(binary: &Path) -> anyhow::Result<Duration> {
    let kubeconfig = tempfile::NamedTempFile::new().context("failed to make a file")?;
    std::fs::write(kubeconfig.path(), KUBECONFIG)?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(binary);
    command.arg(format!("--health-probe-bind-address={address}")).arg("--metrics-bind-address=0");
    command.env("KUBECONFIG", kubeconfig.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().with_context(|| format!("failed to start {}", binary.display()))?;
    let answered = shell::until(Duration::from_secs(10), || healthy(address)).map(|()| started.elapsed());
    child.kill()?;
    child.wait()?;
    answered
}

fn healthy(address: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}
