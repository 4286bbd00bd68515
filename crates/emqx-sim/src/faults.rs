//! Faults that a test can switch on, one node at a time.

use serde::{Deserialize, Serialize};

/// How the HTTP API misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpFault {
    #[default]
    None,
    /// Takes the connection and never answers.
    Hang,
    /// Answers questions, and never what would change something.
    HangChanges,
    /// Answers after this many milliseconds.
    Delay(u64),
    /// 401 on every path that needs credentials.
    Unauthorized,
    /// 403 on every path that needs credentials: the key's role is too small.
    Forbidden,
    /// 500 with a text that is not JSON.
    ServerError,
    /// 200 without body.
    EmptyBody,
    /// 200 with JSON that is cut in the middle.
    MalformedBody,
    /// The port is closed.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    pub http: HttpFault,
    /// `GET /nodes` leaves out every second node.
    pub half_of_the_nodes: bool,
    /// Calls of other nodes are not answered.
    pub silent: bool,
    /// The network to all other nodes drops packets, in both directions.
    pub cut_off: bool,
    /// Messages are acknowledged and thrown away.
    pub lose_messages: bool,
    /// Another process has the eviction agent, such as a purge, which only the command line starts.
    pub eviction_agent_busy: bool,
    /// Evictions make no progress.
    pub evacuation_frozen: bool,
    /// Replicas do not move.
    pub storage_stuck: bool,
}
