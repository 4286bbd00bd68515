//! Login and API keys. A secret is shown once.

use super::super::{Context, Reply};
use crate::cluster_state::{ApiKey, Change, Secret};
use crate::config::Edition;
use crate::node::bootstrap::{SCOPES, has_scopes};
use crate::node::now;
use serde_json::{Value, json};

const LIMIT: usize = 100;
const TOKEN_SECONDS: i64 = 3600;

pub(super) async fn login(ctx: &Context<'_>) -> Reply {
    let text = |field: &str| ctx.body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (user, password) = (text("username"), text("password"));
    let known = ctx.node.cluster_state().users.get(&user).is_some_and(|secret| secret.is(&password));
    if !known {
        return Reply::error(401, "BAD_USERNAME_OR_PWD", "Auth failed");
    }
    let token = hex::encode(rand::random::<[u8; 24]>());
    ctx.node.change(Change::Token(token.clone(), user, now() + TOKEN_SECONDS)).await;
    let open_source = ctx.node.profile.edition == Edition::OpenSource;
    let edition = if open_source { "ce" } else { "ee" };
    let mut body = json!({"token": token, "version": ctx.node.version(), "license": {"edition": edition}});
    if !open_source {
        body["role"] = "administrator".into();
    }
    Reply::json(&body)
}

pub(super) fn users(ctx: &Context<'_>) -> Reply {
    let state = ctx.node.cluster_state();
    let rows = state.users.keys().map(|name| json!({"username": name, "role": "administrator", "description": ""}));
    Reply::json(&rows.collect())
}

pub(super) fn list(ctx: &Context<'_>) -> Reply {
    Reply::json(&ctx.node.cluster_state().keys.values().map(|key| shown(ctx, key)).collect())
}

pub(super) fn show(ctx: &Context<'_>) -> Reply {
    match ctx.node.cluster_state().key_named(ctx.part(0)) {
        Some(key) => Reply::json(&shown(ctx, key)),
        None => missing(),
    }
}

fn missing() -> Reply {
    Reply::error(404, "NOT_FOUND", "NOT_FOUND")
}

fn shown(ctx: &Context<'_>, key: &ApiKey) -> Value {
    let expiry = key.expired_at.map_or_else(|| "infinity".to_owned(), rfc3339);
    let mut body = json!({
        "name": key.name, "api_key": key.key, "enable": key.enable, "expired_at": expiry,
        "created_at": rfc3339(key.created_at), "desc": key.desc, "expired": key.is_expired(now()),
    });
    if ctx.node.profile.edition == Edition::Enterprise {
        body["role"] = key.role.clone().into();
    }
    if has_scopes(ctx.node.profile) {
        body["scopes"] = json!(key.scopes.clone().unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()));
    }
    body
}

fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string())
}

fn is_name(name: &str) -> bool {
    name.len() <= 256
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// None: not a point in time.
fn expiry(body: &Value) -> Option<Option<i64>> {
    match body.get("expired_at") {
        None => Some(None),
        Some(Value::String(text)) if text == "infinity" => Some(None),
        Some(Value::Number(seconds)) => seconds.as_i64().map(Some),
        Some(value) => value.as_str()?.parse::<jiff::Timestamp>().ok().map(|at| Some(at.as_second())),
    }
}

fn role(ctx: &Context<'_>) -> Result<String, Box<Reply>> {
    let role = ctx.body.get("role").and_then(Value::as_str).unwrap_or("administrator");
    let known: &[&str] = match ctx.node.profile.edition {
        Edition::OpenSource => &["administrator"],
        Edition::Enterprise => &["administrator", "viewer", "publisher"],
    };
    if known.contains(&role) {
        return Ok(role.to_owned());
    }
    Err(Box::new(Reply::error(400, "BAD_REQUEST", "Role does not exist")))
}

pub(super) async fn add(ctx: &Context<'_>) -> Reply {
    match new_key(ctx) {
        Err(reply) => *reply,
        Ok((key, secret)) => {
            let mut body = shown(ctx, &key);
            body["api_secret"] = secret.into();
            ctx.node.change(Change::Key(Box::new(key))).await;
            Reply::json(&body)
        }
    }
}

fn new_key(ctx: &Context<'_>) -> Result<(ApiKey, String), Box<Reply>> {
    let bad = |message: &str| Box::new(Reply::error(400, "BAD_REQUEST", message));
    let name = ctx.body.get("name").and_then(Value::as_str).unwrap_or_default();
    if !is_name(name) {
        return Err(bad("Invalid name: letters, digits, - and _, a letter first, are expected"));
    }
    let (Some(desc), Some(enable)) =
        (ctx.body.get("desc").and_then(Value::as_str), ctx.body.get("enable").and_then(Value::as_bool))
    else {
        return Err(Box::new(Reply::error(500, "INTERNAL_ERROR", "error, {badmatch,#{}}, []")));
    };
    let state = ctx.node.cluster_state();
    if state.key_named(name).is_some() {
        return Err(bad("name_already_existed"));
    }
    if state.keys.len() >= LIMIT {
        return Err(bad("Maximum number of API keys reached"));
    }
    let secret = hex::encode(rand::random::<[u8; 24]>());
    let key = ApiKey {
        name: name.to_owned(),
        key: hex::encode(rand::random::<[u8; 8]>()),
        secret: Secret::new(&secret),
        enable,
        expired_at: expiry(&ctx.body).ok_or_else(|| bad("expired_at is not RFC 3339"))?,
        created_at: now(),
        desc: desc.to_owned(),
        role: role(ctx)?,
        scopes: scopes(&ctx.body),
    };
    Ok((key, secret))
}

fn scopes(body: &Value) -> Option<Vec<String>> {
    let list = body.get("scopes")?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Fields that are left out fall back to their defaults, the role too.
pub(super) async fn change(ctx: &Context<'_>) -> Reply {
    let Some(mut key) = ctx.node.cluster_state().key_named(ctx.part(0)).cloned() else { return missing() };
    match role(ctx) {
        Ok(role) => key.role = role,
        Err(reply) => return *reply,
    }
    let Some(expired_at) = expiry(&ctx.body) else {
        return Reply::error(400, "BAD_REQUEST", "expired_at is not RFC 3339");
    };
    key.expired_at = expired_at;
    key.enable = ctx.body.get("enable").and_then(Value::as_bool).unwrap_or(key.enable);
    if let Some(desc) = ctx.body.get("desc").and_then(Value::as_str) {
        key.desc = desc.to_owned();
    }
    key.scopes = scopes(&ctx.body).or(key.scopes);
    let body = shown(ctx, &key);
    ctx.node.change(Change::Key(Box::new(key))).await;
    Reply::json(&body)
}

pub(super) async fn delete(ctx: &Context<'_>) -> Reply {
    let Some(key) = ctx.node.cluster_state().key_named(ctx.part(0)).map(|key| key.key.clone()) else {
        return missing();
    };
    ctx.node.change(Change::KeyDeleted(key)).await;
    Reply::empty(204)
}
