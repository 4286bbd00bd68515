//! `/api_key`: the API keys of the cluster. They are managed with a user's token only.

use super::read::{json, lenient, nothing};
use super::{Change, Parts, Request};
use crate::credentials::{Credentials, Token};
use crate::error::Missing;
use crate::failure::Failure;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json as object};

/// Lists all keys, at most 100.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListApiKeys;

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ApiKey {
    pub name: String,
    /// What stands before the colon.
    pub api_key: String,
    #[serde(default, deserialize_with = "lenient")]
    pub enable: Option<bool>,
    #[serde(default, deserialize_with = "lenient")]
    pub expired: Option<bool>,
    /// RFC 3339 or `infinity`.
    #[serde(default, deserialize_with = "lenient")]
    pub expired_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub created_at: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub desc: Option<String>,
    /// Absent in the open source edition up to 5.8.
    #[serde(default, deserialize_with = "lenient")]
    pub role: Option<String>,
}

/// What a key may do. Namespaced roles of 6.x are not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyRole {
    Administrator,
    /// Reads only. Not in the open source edition up to 5.8, as the next one.
    Viewer,
    /// Publishes messages only.
    Publisher,
}

/// Until when a key works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expiry {
    Never,
    /// RFC 3339.
    At(String),
}

impl Expiry {
    fn text(&self) -> &str {
        match self {
            Expiry::Never => "infinity",
            Expiry::At(time) => time,
        }
    }
}

/// Creates a key; EMQX draws its secret, which only this answer holds. 400 if the name is taken.
#[derive(Clone, Debug)]
pub struct CreateApiKey {
    /// A letter, then letters, digits, `-` and `_`; at most 256.
    pub name: String,
    pub desc: String,
    pub enable: bool,
    pub expires: Expiry,
    /// `None` where there are no roles.
    pub role: Option<KeyRole>,
}

/// A new key with its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct CreatedApiKey {
    pub name: String,
    pub credentials: Credentials,
}

/// Changes a key. Everything must be given: EMQX resets expiry and role that are left out.
#[derive(Clone, Debug)]
pub struct UpdateApiKey(pub CreateApiKey);

/// Deletes a key; for a key that does not exist the answer is [`Change::AlreadySo`].
#[derive(Clone, Debug)]
pub struct DeleteApiKey {
    pub name: String,
}

impl CreateApiKey {
    /// What both creation and change send. EMQX crashes if one of the first three is missing at creation.
    fn body(&self) -> Value {
        let mut body = object!({"desc": self.desc, "enable": self.enable, "expired_at": self.expires.text()});
        if let Some(role) = self.role {
            body["role"] = object!(role);
        }
        body
    }
}

impl Request for ListApiKeys {
    type Answer = Vec<ApiKey>;
    type As = Token;
    const OPERATION: &'static str = "GET /api_key";

    fn parts(&self) -> Parts {
        Parts::get(&["api_key"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<ApiKey>, String> {
        json(body)
    }
}

#[derive(Deserialize)]
struct Created {
    name: String,
    api_key: String,
    api_secret: String,
}

impl Request for CreateApiKey {
    type Answer = CreatedApiKey;
    type As = Token;
    const OPERATION: &'static str = "POST /api_key";
    /// The second time the name is taken, and the secret went with the first answer.
    const REPEATABLE: bool = false;

    fn parts(&self) -> Parts {
        let mut body = self.body();
        body["name"] = object!(self.name);
        Parts::new(Method::POST, &["api_key"]).json(&body)
    }

    fn read(&self, body: &[u8]) -> Result<CreatedApiKey, String> {
        let Created { name, api_key: key, api_secret: secret } = json(body)?;
        Ok(CreatedApiKey { name, credentials: Credentials { key, secret } })
    }
}

impl Request for UpdateApiKey {
    type Answer = ApiKey;
    type As = Token;
    const OPERATION: &'static str = "PUT /api_key/:name";

    fn parts(&self) -> Parts {
        Parts::new(Method::PUT, &["api_key", &self.0.name]).json(&self.0.body())
    }

    fn read(&self, body: &[u8]) -> Result<ApiKey, String> {
        json(body)
    }
}

impl Request for DeleteApiKey {
    type Answer = Change;
    type As = Token;
    const OPERATION: &'static str = "DELETE /api_key/:name";

    fn parts(&self) -> Parts {
        Parts::new(Method::DELETE, &["api_key", &self.name])
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        (failure.missing() == Some(Missing::Object)).then_some(Change::AlreadySo)
    }
}
