//! `PUT /api/v5/configs`: changes configuration while EMQX runs.

use super::{Parts, Request};
use reqwest::Method;
use std::fmt;

/// Puts roots in force on all nodes. 200 with an empty body when done; lagging nodes follow. Not atomic: of several
/// roots some may be in force after an error. Every root given is filled with defaults first, in both modes, so send
/// whole roots.
#[derive(Clone)]
pub struct PutConfigs {
    /// HOCON; JSON lines are HOCON.
    pub text: String,
    pub mode: UpdateMode,
}

/// How a given root meets what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Map entries that are not named stay, such as other listeners.
    Merge,
    /// The root becomes what is given.
    Replace,
}

/// Configuration may hold secrets.
impl fmt::Debug for PutConfigs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutConfigs({:?}, {} bytes)", self.mode, self.text.len())
    }
}

impl Request for PutConfigs {
    type Answer = ();
    const OPERATION: &'static str = "PUT /configs";

    fn parts(&self) -> Parts {
        let mode = match self.mode {
            UpdateMode::Merge => "merge",
            UpdateMode::Replace => "replace",
        };
        Parts {
            method: Method::PUT,
            path: format!("/api/v5/configs?mode={mode}"),
            // JSON would be taken for an empty configuration by 6.1 and later, and crash earlier ones.
            body: Some(("text/plain", self.text.clone())),
        }
    }

    fn read(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}
