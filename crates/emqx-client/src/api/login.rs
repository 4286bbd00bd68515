//! `POST /login`: a token for what API keys may not do.

use super::read::{json, lenient};
use super::{Parts, Request};
use crate::credentials::{NoCredentials, Secret, Token};
use reqwest::Method;
use serde::Deserialize;

/// Logs a user of the dashboard in. 401 for a wrong password; from 5.9 five of them in 5 minutes lock the user for 10,
/// and then the right password is 401 too, with `LOGIN_LOCKED`.
#[derive(Clone, Debug)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq)]
pub struct LoginAnswer {
    pub token: Token,
    /// Absent in the open source edition.
    pub role: Option<String>,
    /// Such as `5.10.4`.
    pub version: Option<String>,
}

#[derive(Deserialize)]
struct Wire {
    token: String,
    #[serde(default, deserialize_with = "lenient")]
    role: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    version: Option<String>,
}

impl Request for Login {
    type Answer = LoginAnswer;
    type As = NoCredentials;
    const OPERATION: &'static str = "POST /login";

    fn parts(&self) -> Parts {
        let body = serde_json::json!({"username": self.username, "password": self.password.0});
        Parts::new(Method::POST, &["login"]).json(&body)
    }

    fn read(&self, body: &[u8]) -> Result<LoginAnswer, String> {
        let Wire { token, role, version } = json(body)?;
        Ok(LoginAnswer { token: Token(Secret(token)), role, version })
    }
}
