//! An HTTP answer as a value, so that this module needs no web server.

use serde_json::{Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// None for answers without body.
    pub content_type: Option<&'static str>,
    pub body: String,
}

impl Answer {
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: None, body: String::new() }
    }

    pub fn text(status: u16, body: String) -> Self {
        Self { status, content_type: Some("text/plain"), body }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: Some("application/json"), body: body.to_string() }
    }

    /// The usual error body of EMQX.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"code": code, "message": message}))
    }
}
