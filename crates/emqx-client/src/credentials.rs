//! Credentials of requests. EMQX has API keys for nearly everything, and tokens of users for the management of API keys; a
//! request names which of them it takes, so that the wrong one does not compile. Nothing here prints a secret.

use reqwest::RequestBuilder;
use std::fmt;

/// Adds credentials to a request.
pub trait Authorize: Sync {
    fn authorize(&self, call: RequestBuilder) -> RequestBuilder;
}

/// An API key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub key: String,
    pub secret: String,
}

impl Authorize for Credentials {
    fn authorize(&self, call: RequestBuilder) -> RequestBuilder {
        call.basic_auth(&self.key, Some(&self.secret))
    }
}

/// The secret is never printed.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.key)
    }
}

/// The token of a user who logged in. Valid on every node, 60 minutes by default (`dashboard.token_expired_time`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(pub Secret);

impl Authorize for Token {
    fn authorize(&self, call: RequestBuilder) -> RequestBuilder {
        call.bearer_auth(&self.0.0)
    }
}

/// For public operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCredentials;

impl Authorize for NoCredentials {
    fn authorize(&self, call: RequestBuilder) -> RequestBuilder {
        call
    }
}

/// A text that is never printed: a password, a license key, configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}
