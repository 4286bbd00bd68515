//! The HTTP API as a function of a call. The order of the checks is EMQX's: path, method, credentials, role, content
//! type, JSON, fields, handler.

mod api;
mod auth;
mod fields;
mod routes;
mod server;

pub(crate) use server::{acceptor, into_response, read};
pub use server::{serve, serve_pod, speak};

use crate::config::Answer;
use crate::faults::HttpFault;
use crate::node::Node;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct Call {
    pub method: String,
    /// Without query, percent-decoded.
    pub path: String,
    /// The last of several equal names counts.
    pub query: BTreeMap<String, String>,
    pub accept: Option<String>,
    pub content_type: Option<String>,
    pub authorization: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: Option<&'static str>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let Answer { status, content_type, body } = answer;
        Self { status, content_type, headers: Vec::new(), body: body.into_bytes() }
    }
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Answer::json(200, body).into()
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Answer::error(status, code, message).into()
    }

    pub(crate) fn empty(status: u16) -> Self {
        Answer::empty(status).into()
    }

    fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A call that found its handler.
pub(crate) struct Context<'a> {
    pub node: &'a Arc<Node>,
    pub call: &'a Call,
    /// The variable parts of the path, in order.
    pub parts: Vec<String>,
    /// The decoded body; null if there is none.
    pub body: Value,
}

impl Context<'_> {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.call.query.get(name).map(String::as_str)
    }

    pub(crate) fn part(&self, index: usize) -> &str {
        self.parts.get(index).map_or("", String::as_str)
    }

    pub(crate) fn wants_json(&self) -> bool {
        self.call.accept.as_deref().is_some_and(|accept| accept.starts_with("application/json"))
    }
}

/// What the node answers, `None` when it closes the connection without an answer. It may take as long as a fault says.
pub async fn answer(node: &Arc<Node>, call: &Call) -> Option<Reply> {
    match node.faults().http {
        HttpFault::None | HttpFault::Refuse | HttpFault::Unauthorized | HttpFault::Forbidden => {}
        HttpFault::Hang => return std::future::pending().await,
        HttpFault::HangChanges if call.method != "GET" => return std::future::pending().await,
        HttpFault::HangChanges => {}
        HttpFault::Delay(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
        HttpFault::ServerError => return Some(Answer::text(500, "Internal Server Error".to_owned()).into()),
        HttpFault::EmptyBody => return Some(Reply::empty(200)),
        HttpFault::MalformedBody => {
            let mut reply = dispatch(node, call).await?;
            reply.body.truncate(reply.body.len() / 2);
            return Some(reply);
        }
    }
    dispatch(node, call).await
}

/// Whether a probe of the kubelet succeeds. Faults apply to other calls: an EMQX that hangs on them still
/// answers probes.
pub async fn probe(node: &Arc<Node>, path: &str) -> bool {
    let open = *node.port_open().borrow();
    let call = Call { method: "GET".to_owned(), path: path.to_owned(), ..Call::default() };
    open && dispatch(node, &call).await.is_some_and(|reply| reply.status == 200)
}

async fn dispatch(node: &Arc<Node>, call: &Call) -> Option<Reply> {
    let is_status = call.path == "/status";
    if node.routes_missing() && !is_status {
        return Some(not_found(call));
    }
    let Some(found) = routes::find(node.profile, &call.path) else { return Some(not_found(call)) };
    let Some(operation) = found.operation(&call.method) else {
        return Some(Reply::empty(405).with_header("allow", &found.allowed()));
    };
    let patience = if call.method == "PUT" { node.timings.orphaned_put } else { node.timings.orphaned };
    if !operation.is_public() && !node.attached_within(patience).await {
        return None;
    }
    Some(handle(node, call, operation, found.parts).await.unwrap_or_else(|reply| *reply))
}

async fn handle(
    node: &Arc<Node>,
    call: &Call,
    operation: routes::Operation,
    parts: Vec<String>,
) -> Result<Reply, Box<Reply>> {
    auth::check(node, call, operation)?;
    let body = decode(call, operation)?;
    Ok(api::handle(operation, &Context { node, call, parts, body }).await)
}

/// The body of operations that declare JSON.
fn decode(call: &Call, operation: routes::Operation) -> Result<Value, Box<Reply>> {
    if call.body.is_empty() || !operation.takes_json() {
        return Ok(Value::Null);
    }
    if call.content_type.as_deref().is_some_and(|kind| !kind.starts_with("application/json")) {
        let text = "content-type:[application/json] Required";
        return Err(Box::new(Reply::error(415, "UNSUPPORTED_MEDIA_TYPE", text)));
    }
    serde_json::from_slice(&call.body)
        .map_err(|error| Box::new(Reply::error(400, "BAD_REQUEST", &format!("Invalid json message received: {error}"))))
}

/// JSON only if the client prefers it.
pub(crate) fn not_found(call: &Call) -> Reply {
    let accept = call.accept.as_deref().unwrap_or_default();
    if accept.starts_with("application/json") {
        return Reply::error(404, "NOT_FOUND", "Request Path Not Found");
    }
    if accept.starts_with("text/plain") {
        return Answer::text(404, "Request Path Not Found".to_owned()).into();
    }
    let html = "<!DOCTYPE html><html><head><title>404</title></head><body><h1>Not found</h1></body></html>";
    Reply { status: 404, content_type: Some("text/html"), headers: Vec::new(), body: html.into() }
}
