//! `GET` and `PUT /configs`: reads and changes configuration while EMQX runs.

use super::read::{nothing, text};
use super::{Parts, Request};
use crate::credentials::{Credentials, Secret};
use reqwest::Method;
use std::fmt;

/// Reads what is in force, with all defaults, as HOCON. Passwords are not masked.
#[derive(Clone, Debug, Default)]
pub struct GetConfigs {
    /// Only this root; 400 if there is none of that name.
    pub root: Option<String>,
}

/// Puts roots in force on all nodes. 200 with an empty body when done; lagging nodes follow. Not atomic: of several
/// roots some may be in force after an error. Every root given is filled with defaults first, in both modes, so send
/// whole roots.
#[derive(Clone)]
pub struct PutConfigs {
    /// HOCON; JSON lines are HOCON. EMQX before 6.1 crashes over an empty text.
    pub text: String,
    pub mode: UpdateMode,
}

/// The same, but EMQX drops what it cannot change (`node`, `rpc`, most of `cluster`) instead of refusing. From `cluster`
/// it then persists the whole effective root, discovery included, so leave these roots out if you can. Since 5.7.
#[derive(Clone, Debug)]
pub struct IgnoringReadOnly(pub PutConfigs);

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

impl Request for GetConfigs {
    type Answer = Secret;
    type As = Credentials;
    const OPERATION: &'static str = "GET /configs";

    fn parts(&self) -> Parts {
        Parts::get(&["configs"]).query("key", self.root.as_deref()).accepting_text()
    }

    fn read(&self, body: &[u8]) -> Result<Secret, String> {
        text(body).map(Secret)
    }
}

impl Request for PutConfigs {
    type Answer = ();
    type As = Credentials;
    const OPERATION: &'static str = "PUT /configs";

    fn parts(&self) -> Parts {
        let mode = match self.mode {
            UpdateMode::Merge => "merge",
            UpdateMode::Replace => "replace",
        };
        let mut parts = Parts::new(Method::PUT, &["configs"]).query("mode", Some(mode));
        // JSON would be taken for an empty configuration by 6.1 and later, and crash earlier ones.
        parts.body = Some(("text/plain", self.text.clone()));
        parts
    }

    fn read(&self, body: &[u8]) -> Result<(), String> {
        nothing(body)
    }
}

impl Request for IgnoringReadOnly {
    type Answer = ();
    type As = Credentials;
    const OPERATION: &'static str = "PUT /configs?ignore_readonly=true";

    fn parts(&self) -> Parts {
        self.0.parts().query("ignore_readonly", Some("true"))
    }

    fn read(&self, body: &[u8]) -> Result<(), String> {
        nothing(body)
    }
}
