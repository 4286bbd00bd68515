//! How a request can fail, told apart by what the caller must do about it.

use serde_json::Value;

/// How a request failed. Texts name the operation and never hold bodies or secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// Nobody listens, or the connection broke. The node may be starting or gone.
    #[error("{operation}: cannot connect")]
    Unreachable { operation: &'static str },
    /// The node took longer than it was given. It may hang, or wait for a peer that hangs.
    #[error("{operation}: no answer within {seconds:.1} s")]
    TimedOut { operation: &'static str, seconds: f32 },
    /// 401. Transient while a node boots or joins.
    #[error("{operation}: the API key is not accepted ({code})")]
    Unauthorized { operation: &'static str, code: String },
    /// 403: the key may not do this.
    #[error("{operation}: the API key may not do this ({code})")]
    Forbidden { operation: &'static str, code: String },
    /// 404: the object or the path does not exist. In the first moments after a node opened its port every path is 404,
    /// so a single one proves nothing.
    #[error("{operation}: not found")]
    NotFound { operation: &'static str },
    /// 4xx: EMQX understood and refuses. Asking another node changes nothing.
    #[error("{operation}: {message}")]
    Rejected { operation: &'static str, code: String, message: String },
    /// 5xx.
    #[error("{operation}: EMQX failed with HTTP status {status}")]
    Broker { operation: &'static str, status: u16 },
    /// An answer that cannot be read.
    #[error("{operation}: the answer cannot be read: {problem}")]
    Unreadable { operation: &'static str, problem: String },
}

impl Error {
    /// Whether another node of the cluster would say the same.
    pub fn is_definite(&self) -> bool {
        matches!(self, Error::Rejected { .. } | Error::Forbidden { .. })
    }
}

/// The longest text that is taken from an answer.
const LONGEST: usize = 300;

/// Makes an error of an answer that is not a success.
pub(crate) fn of_status(operation: &'static str, status: u16, body: &[u8]) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let code = match &body["code"] {
        Value::String(code) => code.clone(),
        Value::Number(code) => code.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => status.to_string(),
    };
    match status {
        401 => Error::Unauthorized { operation, code },
        403 => Error::Forbidden { operation, code },
        404 => Error::NotFound { operation },
        400..=499 => Error::Rejected { operation, code, message: message(&body) },
        // A field that does not exist is a mistake of the sender, although EMQX before 6.1 crashes over it.
        500 if body["message"].as_str().is_some_and(|text| text.contains("unknown_fields")) => {
            let message = unknown_fields(body["message"].as_str().unwrap_or_default());
            Error::Rejected { operation, code: "UNKNOWN_FIELDS".to_owned(), message }
        }
        status => Error::Broker { operation, status },
    }
}

/// What is wrong, without the values: those may be secrets.
fn message(body: &Value) -> String {
    if let Value::Object(errors) = &body["errors"] {
        let texts: Vec<_> = errors.iter().map(|(root, error)| config_error(root, error)).collect();
        if errors.contains_key("reason") {
            let line = errors.get("line").map(|line| format!(" in line {line}")).unwrap_or_default();
            return short(&format!("syntax error{line}: {}", text(&errors["reason"])));
        }
        return short(&texts.join("; "));
    }
    if let Value::String(error) = &body["errors"] {
        // Long texts are dumps with values; their first words say what it is about.
        return short(error.lines().next().unwrap_or_default());
    }
    short(&text(&body["message"]))
}

fn config_error(root: &str, error: &Value) -> String {
    let path = error["path"].as_str().unwrap_or(root);
    match &error["reason"] {
        Value::Null if error.is_string() => format!("{path}: {}", text(error)),
        Value::Null => format!("{path}: refused"),
        reason => format!("{path}: {}", text(reason)),
    }
}

/// From an Erlang term: `path => "mqtt"` and `unknown => "foo"`.
fn unknown_fields(term: &str) -> String {
    let field = |name: &str| {
        let rest = term.split_once(&format!("{name} => "))?.1;
        rest.trim_start_matches(['\\', '"', '<']).split(['\\', '"', ',', '>', '}', ']']).next()
    };
    let (path, unknown) = (field("path").unwrap_or("config"), field("unknown").unwrap_or("?"));
    short(&format!("{path}: unknown field {unknown}"))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
