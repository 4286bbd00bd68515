//! A node as the EMQX cluster lists it.

use serde::Serialize;

/// A node as the EMQX cluster lists it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BrokerNode {
    pub running: bool,
    /// A word of EMQX for it that is neither `running` nor `stopped`.
    pub status: Option<String>,
    pub role: Option<String>,
    pub version: Option<String>,
    pub edition: Option<String>,
    pub otp_release: Option<String>,
    /// Sessions on the node, connected or not.
    pub sessions: Option<i64>,
    /// Connected clients.
    pub connections: Option<i64>,
}

impl BrokerNode {
    /// The same node is listed once more: what only one of both says is not known.
    pub fn doubt(&mut self, other: &BrokerNode) {
        let more = |one: Option<i64>, other: Option<i64>| one.zip(other).map(|(one, other)| one.max(other));
        self.running &= other.running;
        self.sessions = more(self.sessions, other.sessions);
        self.connections = more(self.connections, other.connections);
    }

    /// The open source edition, which ends with 5.8, can neither be emptied nor take sessions of others.
    pub fn evacuates(&self) -> bool {
        self.edition.as_deref() != Some("Opensource")
    }
}
