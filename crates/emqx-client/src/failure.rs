//! Reads answers with an error status. Their bodies differ by operation and version: `code` is a string, an integer or
//! absent, `message` is any JSON, configuration errors stand under `errors`, and some bodies are no JSON at all.

use crate::api::read::is_bounded;
use crate::error::{Error, Missing};
use crate::redact;
use serde_json::Value;
use std::fmt;

/// What EMQX says to a path that it does not know, if asked for JSON. It says it in HTML otherwise.
const UNKNOWN_PATH: &str = "Request Path Not Found";

/// An answer with an error status, as it came.
pub struct Failure {
    pub status: u16,
    pub code: Code,
    body: Value,
}

/// EMQX's name of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Such as `BAD_REQUEST`.
    Name(String),
    /// Durable storage repeats the HTTP status.
    Number(i64),
    /// Errors of configuration have none, nor have bodies that are no JSON.
    Absent,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Code::Name(name) => f.write_str(name),
            Code::Number(number) => write!(f, "{number}"),
            Code::Absent => f.write_str("no code"),
        }
    }
}

/// The body may hold secrets.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("status", &self.status).field("code", &self.code).finish_non_exhaustive()
    }
}

impl Failure {
    pub fn read(status: u16, body: &[u8]) -> Failure {
        let body = if is_bounded(body) { serde_json::from_slice(body).unwrap_or(Value::Null) } else { Value::Null };
        Failure { status, code: code(&body["code"]), body }
    }

    /// Whether the message is this reason, or ends in it after a colon: `error on node 'emqx@a': already_started`.
    pub fn has_reason(&self, reason: &str) -> bool {
        let rest = self.message().trim_end().strip_suffix(reason);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(": "))
    }

    /// Whether the code is this one.
    pub fn has_code(&self, name: &str) -> bool {
        matches!(&self.code, Code::Name(code) if code == name)
    }

    /// What a 404 says is missing; nothing else says so.
    pub fn missing(&self) -> Option<Missing> {
        let missing = match &self.body {
            Value::Object(_) if self.message() != UNKNOWN_PATH => Missing::Object,
            _ => Missing::Path,
        };
        (self.status == 404).then_some(missing)
    }

    /// The body, for the few operations that answer in full with an error status.
    pub(crate) fn body(&self) -> &Value {
        &self.body
    }

    pub(crate) fn into_error(self, operation: &'static str) -> Error {
        let Failure { status, code, body } = &self;
        let (status, code) = (*status, code.clone());
        match status {
            401 => Error::Unauthorized { operation, code },
            403 => Error::Forbidden { operation, code },
            404 => Error::NotFound { operation, missing: self.missing().unwrap_or(Missing::Path) },
            400..=499 => Error::Rejected { operation, code, message: redact::refusal(status, body) },
            // A field that does not exist is a mistake of the sender, although EMQX before 6.1 crashes over it.
            500 if self.message().contains("unknown_fields") => {
                Error::Rejected { operation, code, message: redact::unknown_field(self.message()) }
            }
            status => Error::Broker { operation, status, code },
        }
    }

    fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

fn code(code: &Value) -> Code {
    match code {
        Value::String(name) => Code::Name(redact::short(name)),
        Value::Number(number) => number.as_i64().map_or(Code::Absent, Code::Number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Code::Absent,
    }
}
