//! How nodes talk: one request, one response, as Erlang nodes call each other. Transports implement [`Peers`].

mod srv;
pub mod tcp;

use crate::clients::Counts;
use crate::cluster_state::{Change, ClusterState, Role};
use crate::config::NodeListeners;
use crate::evacuation;
use crate::mqtt;
use crate::rebalance;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The port is closed; the node waits for tables, cores or its own start.
    Booting,
    Running,
    /// Joining another cluster: applications are stopped.
    Joining,
    Stopped,
}

/// Who answers, in every phase.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pong {
    pub name: String,
    pub phase: Phase,
    pub role: Role,
    pub version: String,
    pub uptime_ms: u64,
    /// Members it knows; a node that has not joined knows itself only.
    pub members: Vec<String>,
    /// Whether it has joined other cores. Replicants do not count: they attach to a core that is still alone, too.
    pub joined: bool,
    /// The site that it has, in durable storage.
    pub site: Option<String>,
    /// How far it is with changes of durable storage.
    pub storage: (u64, String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    Ping,
    Info,
    Stats,
    Listeners,
    Counts,
    /// Become a member: a core for good, a replicant while it runs.
    Join {
        name: String,
        role: Role,
    },
    /// What a member that restarts copies.
    Copy,
    Apply(Change),
    Adopt(Map<String, Value>),
    ConfigText(Option<String>),
    ConfigJson,
    StartEvacuation(evacuation::Options),
    StopEvacuation,
    EvacuationStatus,
    /// Whether sessions may be moved there.
    TakesSessions,
    StartRebalance(rebalance::Options),
    StopRebalance,
    RebalanceStatus,
    BeDonor {
        coordinator: String,
        donor: rebalance::Donor,
    },
    UpdateDonor(rebalance::Donor),
    FreeDonor {
        coordinator: String,
    },
    EvictConnections(u64),
    EvictSessions {
        limit: u64,
        to: Vec<String>,
    },
    ReceiveSessions(u64),
    /// Leave the cluster and continue alone.
    Leave,
    Invite {
        inviter: String,
    },
    Mqtt(mqtt::PeerRequest),
    Backups,
    ReadBackup(String),
    DeleteBackup(String),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Response {
    Pong(Pong),
    Done,
    Value(Value),
    Listeners(NodeListeners),
    Counts(Counts),
    Number(u64),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Mqtt(mqtt::PeerResponse),
    Joined {
        state: Box<ClusterState>,
        cluster_hocon: String,
    },
    /// The node is not ready for this request.
    NotRunning,
    /// The node does not know the caller as a member of its cluster.
    Stranger,
    /// The release of the node does not have what was called.
    Undefined,
    /// The node understood and refuses, with the reason in EMQX's words.
    Refused(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum CallError {
    #[error("nothing listens there")]
    Down,
    #[error("no answer in time")]
    Silent,
    #[error("the cookie is wrong")]
    WrongCookie,
}

pub trait Peers: Send + Sync {
    fn call<'a>(&'a self, to: &'a str, request: Request) -> BoxFuture<'a, Result<Response, CallError>>;
    /// Names of nodes that discovery finds now, perhaps this one among them.
    fn discover(&self) -> BoxFuture<'_, Vec<String>>;
}
