//! The licence in force and how to change it.

use super::super::{Context, Reply};
use crate::config::Put;
use crate::license::License;
use crate::node::settings::put_answered;
use serde_json::{Value, json};

pub(super) fn show(ctx: &Context<'_>) -> Reply {
    let key = ctx.node.config().license_key().unwrap_or("default").to_owned();
    match License::parse(ctx.node.profile, &key) {
        Some(license) => Reply::json(&license.to_json(ctx.node.profile)),
        None => Reply::error(404, "NOT_FOUND", "License not found"),
    }
}

pub(super) async fn put(ctx: &Context<'_>) -> Reply {
    let bad = |text: &str| Reply::error(400, "BAD_REQUEST", text);
    if let Err(reply) = super::super::fields::only(&ctx.body, &["key"]) {
        return *reply;
    }
    let key = ctx.body.get("key").and_then(Value::as_str).unwrap_or_default();
    let Some(license) = License::parse(ctx.node.profile, key) else {
        return bad("Bad license key, see logs for more details");
    };
    if license.single_node && ctx.node.running().await.len() > 1 {
        return bad("SINGLE_NODE_LICENSE");
    }
    let text = format!("license {{ key = {} }}", json!(key));
    let profile = ctx.node.profile;
    let request = Put { text: &text, ..Put::default() };
    let answer = ctx.node.reconfigure(|config, can_start| put_answered(config.put(&request, can_start), profile)).await;
    if answer.status == 200 { Reply::json(&license.to_json(profile)) } else { answer.into() }
}

pub(super) fn setting(ctx: &Context<'_>) -> Reply {
    let config = ctx.node.config();
    let value = |name: &str, default: &str| config.text(&format!("license.{name}")).unwrap_or(default).to_owned();
    Reply::json(&json!({
        "connection_low_watermark": value("connection_low_watermark", "75%"),
        "connection_high_watermark": value("connection_high_watermark", "80%"),
    }))
}
