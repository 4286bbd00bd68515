//! `/license`: what the license allows. Not in the open source edition up to 5.8.

use super::listeners::Limit;
use super::read::{json, lenient};
use super::{Parts, Request};
use crate::credentials::{Credentials, Secret};
use reqwest::Method;
use serde::{Deserialize, Serialize};

/// Reads the license in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetLicense;

/// A license.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct License {
    /// `trial`, `official` or `community`.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub customer: Option<String>,
    /// Dates such as `2026-01-10`.
    #[serde(default, deserialize_with = "lenient")]
    pub start_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub expiry_at: Option<String>,
    /// Whether it has expired.
    #[serde(default, deserialize_with = "lenient")]
    pub expiry: Option<bool>,
    /// Since 5.9; see [`License::sessions`].
    #[serde(default, deserialize_with = "lenient")]
    pub max_sessions: Option<Limit>,
    #[serde(default, deserialize_with = "lenient")]
    pub max_connections: Option<Limit>,
    /// Messages per second, since 6.0. More of them raises an alarm, no more.
    #[serde(default, deserialize_with = "lenient")]
    pub max_tps: Option<Limit>,
}

impl License {
    /// How many sessions are allowed; up to 5.8 they are called connections.
    pub fn sessions(&self) -> Option<Limit> {
        self.max_sessions.or(self.max_connections)
    }
}

/// Puts a license in force in the whole cluster and persists it. 400 for a bad one, or for one that allows a single node
/// while there are several. A license in the environment or in `emqx.conf` wins again at the next start.
#[derive(Clone, Debug)]
pub struct PostLicense {
    /// A key, `default`, `evaluation` (5.9), or `file:///path`.
    pub key: Secret,
}

/// Reads when the alarm about sessions is raised and cleared.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetLicenseSetting;

/// Sets when the alarm about sessions is raised and cleared.
#[derive(Clone, Debug)]
pub struct PutLicenseSetting(pub LicenseSetting);

/// Parts of the allowed sessions, such as `80%`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LicenseSetting {
    pub connection_low_watermark: String,
    pub connection_high_watermark: String,
}

impl Request for GetLicense {
    type Answer = License;
    type As = Credentials;
    const OPERATION: &'static str = "GET /license";

    fn parts(&self) -> Parts {
        Parts::get(&["license"])
    }

    fn read(&self, body: &[u8]) -> Result<License, String> {
        json(body)
    }
}

impl Request for PostLicense {
    type Answer = License;
    type As = Credentials;
    const OPERATION: &'static str = "POST /license";

    fn parts(&self) -> Parts {
        Parts::new(Method::POST, &["license"]).json(&serde_json::json!({"key": self.key.0}))
    }

    fn read(&self, body: &[u8]) -> Result<License, String> {
        json(body)
    }
}

impl Request for GetLicenseSetting {
    type Answer = LicenseSetting;
    type As = Credentials;
    const OPERATION: &'static str = "GET /license/setting";

    fn parts(&self) -> Parts {
        Parts::get(&["license", "setting"])
    }

    fn read(&self, body: &[u8]) -> Result<LicenseSetting, String> {
        json(body)
    }
}

impl Request for PutLicenseSetting {
    type Answer = LicenseSetting;
    type As = Credentials;
    const OPERATION: &'static str = "PUT /license/setting";

    fn parts(&self) -> Parts {
        Parts::new(Method::PUT, &["license", "setting"]).json(&self.0)
    }

    fn read(&self, body: &[u8]) -> Result<LicenseSetting, String> {
        json(body)
    }
}
