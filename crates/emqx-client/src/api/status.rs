//! `GET /status`: whether a node has started. Public. It says nothing about the cluster, nor about evacuation.

use super::read::{json, lenient, text};
use super::{Parts, Request};
use crate::credentials::NoCredentials;
use crate::failure::Failure;
use serde::Deserialize;

/// Asks a node whether it runs. The port is closed while it boots and while it joins a cluster. A 503 without words
/// means that some listener of the dashboard is down, on the healthy port too.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetStatus;

/// A node, as it says itself. Read its version from [`GetNodes`](super::GetNodes): here it is gone since mid-2026.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Status {
    pub node_name: String,
    pub broker_status: BrokerStatus,
    pub app_status: AppStatus,
    /// The cluster's name, since 5.9.
    #[serde(default, deserialize_with = "lenient")]
    pub cluster: Option<String>,
}

/// The virtual machine's view.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerStatus {
    Started,
    Stopped,
    #[serde(untagged)]
    Unknown(String),
}

/// Whether the broker application runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppStatus {
    Running,
    NotRunning,
    #[serde(untagged)]
    Unknown(String),
}

impl Request for GetStatus {
    type Answer = Status;
    type As = NoCredentials;
    const OPERATION: &'static str = "GET /status";

    fn parts(&self) -> Parts {
        Parts { path: "/status?format=json".to_owned(), ..Parts::get(&[]) }
    }

    /// Before 5.1 the answer is text, whatever was asked for.
    fn read(&self, body: &[u8]) -> Result<Status, String> {
        if body.starts_with(b"Node ") { from_text(&text(body)?) } else { json(body) }
    }

    /// 503: the broker application does not run.
    fn read_failure(&self, failure: &Failure) -> Option<Status> {
        Status::deserialize(failure.body()).ok()
    }
}

/// `Node emqx@a is started`, `emqx is running`.
fn from_text(text: &str) -> Result<Status, String> {
    let (node, app) = text.split_once('\n').ok_or("there is no second line")?;
    let (name, broker) = node.strip_prefix("Node ").and_then(|node| node.split_once(" is ")).ok_or("line 1 is new")?;
    let app = app.trim_end().strip_prefix("emqx is ").ok_or("line 2 is new")?;
    Ok(Status {
        node_name: name.to_owned(),
        broker_status: match broker {
            "started" => BrokerStatus::Started,
            "stopped" => BrokerStatus::Stopped,
            other => BrokerStatus::Unknown(other.to_owned()),
        },
        app_status: match app {
            "running" => AppStatus::Running,
            "not_running" => AppStatus::NotRunning,
            other => AppStatus::Unknown(other.to_owned()),
        },
        cluster: None,
    })
}
