//! What makes the nodes of a cluster one cluster, and lets the operator in: two texts in Secrets. Nodes read them when they
//! start and go on with them, so a Secret that is lost is not replaced by another while nodes run.

use super::{Sensitive, World};
use serde::Serialize;

/// The texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Identity {
    /// The cookie that nodes know each other by.
    pub cookie: Option<Sensitive>,
    /// The secret half of the operator's own API key.
    pub operator_secret: Option<Sensitive>,
}

/// The Secrets that hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentitySecret {
    Cookie,
    ApiKey,
}

impl World {
    /// As the Secrets hold it; where one is gone, as it was last seen.
    pub fn known_identity(&self) -> Identity {
        let (now, before) = (&self.identity, &self.memory.identity);
        Identity {
            cookie: now.cookie.clone().or_else(|| before.cookie.clone()),
            operator_secret: now.operator_secret.clone().or_else(|| before.operator_secret.clone()),
        }
    }

    /// Whether nodes live by a text that nobody knows any more: its Secret is gone, and this process never saw it.
    pub fn is_lost(&self, secret: IdentitySecret) -> bool {
        let known = self.known_identity();
        let text = match secret {
            IdentitySecret::Cookie => known.cookie,
            IdentitySecret::ApiKey => known.operator_secret,
        };
        text.is_none() && self.nodes().any(|node| node.started && !node.terminating)
    }
}
