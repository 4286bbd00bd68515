//! Who calls and whether they may. The four reasons why a key fails look alike.

use super::routes::Operation;
use super::{Call, Reply};
use crate::faults::HttpFault;
use crate::node::{Node, now};
use base64::Engine;

type Refusal = Box<Reply>;

fn refuse(status: u16, code: &str, message: &str) -> Refusal {
    let mut reply = Reply::error(status, code, message);
    if code == "AUTHORIZATION_HEADER_ERROR" {
        reply = reply.with_header("www-authenticate", "Basic Realm=\"emqx-dashboard\"");
    }
    Box::new(reply)
}

/// Public operations ignore even a wrong header.
pub(super) fn check(node: &Node, call: &Call, operation: Operation) -> Result<(), Refusal> {
    if operation.is_public() {
        return Ok(());
    }
    if node.faults().http == HttpFault::Unauthorized {
        return Err(bad_key());
    }
    if node.faults().http == HttpFault::Forbidden {
        return Err(too_small());
    }
    let header = call.authorization.as_deref().unwrap_or_default();
    if let Some(token) = header.strip_prefix("Bearer ") {
        return check_token(node, token);
    }
    let Some((key, secret)) = header.strip_prefix("Basic ").and_then(pair) else {
        return Err(refuse(401, "AUTHORIZATION_HEADER_ERROR", "Support authorization: basic/bearer "));
    };
    check_key(node, call, operation, &key, &secret)
}

fn bad_key() -> Refusal {
    refuse(401, "BAD_API_KEY_OR_SECRET", "Check api_key/api_secret")
}

fn too_small() -> Refusal {
    refuse(403, "UNAUTHORIZED_ROLE", "This API Key don't have permission to access this resource")
}

fn pair(encoded: &str) -> Option<(String, String)> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let (key, secret) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    Some((key.to_owned(), secret.to_owned()))
}

fn check_token(node: &Node, token: &str) -> Result<(), Refusal> {
    match node.cluster_state().tokens.get(token) {
        Some((_, until)) if *until > now() => Ok(()),
        Some(_) => Err(refuse(401, "TOKEN_TIME_OUT", "Token expired, get new token by POST /login")),
        None => Err(refuse(401, "BAD_TOKEN", "Get token by POST /login")),
    }
}

fn check_key(node: &Node, call: &Call, operation: Operation, key: &str, secret: &str) -> Result<(), Refusal> {
    if let Some(path) = operation.token_only() {
        let text = format!("Please use bearer Token instead, using API key/secret in {path} path is not permitted");
        return Err(refuse(401, "API_KEY_NOT_ALLOW", &text));
    }
    let state = node.cluster_state();
    let record = state.keys.get(key).filter(|one| one.enable && !one.is_expired(now()) && one.secret.is(secret));
    let record = record.ok_or_else(bad_key)?;
    let role_allows = match record.role.as_str() {
        "administrator" => true,
        "viewer" => call.method == "GET",
        _ => false,
    };
    let scope_allows = match (&record.scopes, scope(&call.path)) {
        (Some(scopes), Some(needed)) => scopes.iter().any(|scope| scope == needed),
        (None, _) | (_, None) => true,
    };
    if role_allows && scope_allows {
        return Ok(());
    }
    Err(too_small())
}

/// The scope a path needs; paths without one are open to all.
fn scope(path: &str) -> Option<&'static str> {
    let first = path.trim_start_matches("/api/v5").trim_start_matches('/').split('/').next()?;
    match first {
        "nodes" | "cluster" | "load_rebalance" | "node_eviction" => Some("cluster_operations"),
        "configs" | "listeners" | "listeners_status" | "ds" | "data" | "plugins" => Some("system"),
        "prometheus" | "metrics" | "stats" | "alarms" => Some("monitoring"),
        "gateways" => Some("gateways"),
        "license" => Some("license"),
        "clients" | "sessions_count" => Some("connections"),
        _ => None,
    }
}
