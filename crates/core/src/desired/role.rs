//! The two roles of nodes.

use serde::Serialize;

/// Cores keep the data; replicants carry clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Role {
    Core,
    Replicant,
}

impl Role {
    /// As EMQX and the labels spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Core => "core",
            Role::Replicant => "replicant",
        }
    }
}
