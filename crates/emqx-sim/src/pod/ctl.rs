//! `emqx ctl` talks to the node of its pod through a socket in the data directory: arguments in, text and code out.

use crate::cluster_state::Change;
use crate::config::Edition;
use crate::node::Node;
use crate::rpc::{Phase, Request};
use serde_json::json;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

fn socket(data: &Path) -> PathBuf {
    data.join("ctl.socket")
}

/// Prints what the node says; an error if it does not run.
pub async fn ask(data: &Path, arguments: &[String]) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket(data)).await?;
    stream.write_all(format!("{}\n", json!(arguments)).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(super) async fn serve(node: Arc<Node>) -> io::Result<()> {
    let path = socket(node.volume.path());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let node = node.clone();
        tokio::spawn(async move { converse(&node, stream).await });
    }
}

async fn converse(node: &Arc<Node>, stream: UnixStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let arguments: Vec<String> = serde_json::from_str(&line)?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let answer = node.command(&words).await;
    stream.write_all(answer.as_bytes()).await
}

impl Node {
    /// What `emqx ctl` prints for these arguments.
    pub async fn command(self: &Arc<Self>, words: &[&str]) -> String {
        match words {
            ["status"] => self.status_text(),
            ["cluster", "status"] => self.cluster_text().await,
            ["cluster", "leave"] => self.leave_text().await,
            ["cluster", "force-leave", name] => {
                self.change(Change::Gone((*name).to_owned())).await;
                format!("Remove the node from cluster successfully.\n{}", self.cluster_text().await)
            }
            ["ds", "info"] => self.storage_text(),
            ["ds", "forget", site] => match self.forget_site(site).await {
                Ok(()) => "ok\n".to_owned(),
                Err("not_found") => format!("Unable to forget site: Unknown site: {site}\n"),
                Err(reason) => format!("Unable to forget site: {reason}\n"),
            },
            ["rebalance", rest @ ..] if self.profile.edition == Edition::Enterprise => {
                self.rebalance_command(rest).await
            }
            _ => {
                "known are: status, cluster status|leave|force-leave NODE, ds info|forget SITE, rebalance\n".to_owned()
            }
        }
    }

    fn status_text(&self) -> String {
        let state = if self.phase() == Phase::Running { "started" } else { "starting" };
        format!("Node '{}' {} is {state}\n", self.name, self.version())
    }

    async fn cluster_text(&self) -> String {
        let running = self.running().await;
        let stopped: Vec<String> =
            self.cluster_state().members.keys().filter(|name| !running.contains(name)).cloned().collect();
        format!("Cluster status: {}\n", json!({"running_nodes": running, "stopped_nodes": stopped}))
    }

    /// Refused from 5.9 on while this node holds replicas.
    async fn leave_text(self: &Arc<Self>) -> String {
        let site = self.volume.site().unwrap_or_default();
        let holds =
            self.cluster_state().storage.databases.values().flatten().any(|shard| shard.replicas.contains(&site));
        if holds && self.profile.since(5, 9) {
            return "Failed to leave the cluster: the node still holds durable storage replicas\n".to_owned();
        }
        self.answer(&self.name, Request::Leave).await;
        "Leave the cluster successfully.\n".to_owned()
    }

    fn storage_text(&self) -> String {
        let storage = self.cluster_state().storage.clone();
        let site = self.volume.site().unwrap_or_default();
        format!("THIS SITE:\n{site}\n\nSITES:\n{}\n\nSHARDS:\n{}\n", json!(storage.sites), json!(storage.databases))
    }
}
