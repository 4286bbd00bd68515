//! The operations, one type each: a request is a value that knows its path, its body and how to read its answer.

mod configs;
mod nodes;

pub use configs::{PutConfigs, UpdateMode};
pub use nodes::{GetNodes, Node, NodeStatus};

use crate::error::Error;
use reqwest::Method;
use serde::de::DeserializeOwned;

/// An operation of the API.
pub trait Request {
    type Answer;
    /// As in EMQX's documentation; it stands in errors.
    const OPERATION: &'static str;

    fn parts(&self) -> Parts;

    /// Reads a successful answer; the error says what is wrong with it, without its content.
    fn read(&self, body: &[u8]) -> Result<Self::Answer, String>;

    /// Some errors are successes: what was asked for is so already.
    fn read_error(&self, error: Error) -> Result<Self::Answer, Error> {
        Err(error)
    }
}

/// What goes over the wire.
pub struct Parts {
    pub method: Method,
    pub path: String,
    /// Content type and content.
    pub body: Option<(&'static str, String)>,
}

impl Parts {
    pub(crate) fn get(path: impl Into<String>) -> Parts {
        Parts { method: Method::GET, path: path.into(), body: None }
    }
}

/// Reads JSON. What serde complains about may quote the content, so only the place is told.
fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if body.is_empty() {
        return Err("it is empty".to_owned());
    }
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "unexpected structure",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
        };
        format!("{what} at line {} column {}", error.line(), error.column())
    })
}
