//! What makes the nodes of a cluster one cluster, and lets the operator in: two texts in Secrets. Nodes read them when they
//! start and go on with them, so a Secret that is lost is not replaced by another while nodes run.

use super::sensitive::Sensitive;
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
