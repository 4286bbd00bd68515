//! The operations, one type each: a request is a value that knows its path, its body and how to read its answer.

mod alarms;
mod api_keys;
mod cluster;
mod configs;
mod durable_storage;
mod gateways;
mod license;
mod listeners;
mod load_rebalance;
mod login;
mod nodes;
mod prometheus;
pub(crate) mod read;
mod status;

pub use alarms::{Alarm, Alarms, GetAlarms};
pub use api_keys::{ApiKey, CreateApiKey, CreatedApiKey, DeleteApiKey, Expiry, KeyRole, ListApiKeys, UpdateApiKey};
pub use cluster::{Cluster, CoreLinks, ForceLeave, GetCluster, GetTopology, ReplicantLink};
pub use configs::{GetConfigs, IgnoringReadOnly, PutConfigs, UpdateMode};
pub use durable_storage::{
    ForgetSite, GetReplicas, GetSite, GetSites, GetStorage, GetStorages, PutReplicas, Replica, ReplicaStatus, Shard,
    ShardTransition, Site, SiteShard, Storage, Transition,
};
pub use gateways::{Gateway, GatewayListener, GatewayStatus, GetGatewayListeners, GetGateways};
pub use license::{GetLicense, GetLicenseSetting, License, LicenseSetting, PostLicense, PutLicenseSetting};
pub use listeners::{
    GetListener, GetListeners, Limit, Listener, ListenerConfig, ListenerStatus, NodeListener, Running,
};
pub use load_rebalance::{
    Availability, Evacuation, EvacuationState, EvictionCounts, EvictionStats, GetAvailability, GetGlobalStatus,
    GetLocalStatus, GetNodeEviction, GlobalStatus, LocalStatus, NodeEviction, Process, Rebalance, RebalanceStart,
    RebalanceState, StartEvacuation, StartRebalance, StopEvacuation, StopRebalance, Switch,
};
pub use login::{Login, LoginAnswer};
pub use nodes::{GetNode, GetNodes, Node, NodeStatus};
pub use prometheus::{GetPrometheusStats, PrometheusMode};
pub use status::{AppStatus, BrokerStatus, GetStatus, Status};

use crate::credentials::Authorize;
use crate::failure::Failure;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Serialize;

/// An operation of the API.
pub trait Request: Sync {
    type Answer: Send;
    /// As whom it must be asked.
    type As: Authorize;
    /// As in EMQX's documentation; it stands in errors.
    const OPERATION: &'static str;
    /// Whether twice ends the same as once. What is not, is not sent to another node while its fate is unknown.
    const REPEATABLE: bool = true;

    fn parts(&self) -> Parts;

    /// Reads a successful answer; the error says what is wrong with it, without its content.
    fn read(&self, body: &[u8]) -> Result<Self::Answer, String>;

    /// Some failures are answers: what was asked for is so already.
    fn read_failure(&self, _: &Failure) -> Option<Self::Answer> {
        None
    }
}

/// Whether something had to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Done,
    /// It was so before. Retries end here too.
    AlreadySo,
}

/// What goes over the wire. The body may hold secrets.
pub struct Parts {
    pub method: Method,
    pub path: String,
    /// EMQX answers errors in HTML to anything but JSON; two operations have text as their only full answer.
    pub accept: &'static str,
    /// Content type and content.
    pub body: Option<(&'static str, String)>,
}

impl Parts {
    /// A request without body; the segments stand below `/api/v5`.
    pub fn new(method: Method, segments: &[&str]) -> Parts {
        let path = segments.iter().fold("/api/v5".to_owned(), |path, segment| format!("{path}/{}", encoded(segment)));
        Parts { method, path, accept: "application/json", body: None }
    }

    pub fn get(segments: &[&str]) -> Parts {
        Parts::new(Method::GET, segments)
    }

    /// Values are encoded; an absent value leaves the parameter out.
    pub fn query(mut self, name: &str, value: Option<&str>) -> Parts {
        if let Some(value) = value {
            let separator = if self.path.contains('?') { '&' } else { '?' };
            self.path.push_str(&format!("{separator}{name}={}", encoded(value)));
        }
        self
    }

    pub fn json(mut self, body: &impl Serialize) -> Parts {
        let text = serde_json::to_string(body).expect("requests are made of texts, numbers and lists");
        self.body = Some(("application/json", text));
        self
    }

    pub fn accepting_text(mut self) -> Parts {
        self.accept = "text/plain";
        self
    }
}

/// What EMQX's names are made of and URLs allow stays readable.
const READABLE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@').remove(b':');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, READABLE).to_string()
}
