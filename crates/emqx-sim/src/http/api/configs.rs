//! Configuration, listeners and gateways: the `config` module answers, changes are sent to the cluster.

use super::super::{Context, Reply};
use crate::config::{Answer, NodeListeners, Put};
use crate::node::settings::{answered, put_answered};
use crate::rpc::{Request, Response};
use serde_json::Value;

pub(super) async fn get(ctx: &Context<'_>) -> Reply {
    let accept = ctx.call.accept.as_deref().unwrap_or("*/*");
    let as_json = ctx.wants_json();
    if !as_json && !["*/*", "text/plain"].iter().any(|known| accept.starts_with(known)) {
        return Reply::error(400, "INVALID_ACCEPT", "Accept must be application/json or text/plain");
    }
    let node = ctx.query("node").unwrap_or(&ctx.node.name);
    if node != ctx.node.name && !ctx.node.is_running_member(node).await {
        return unknown_node(ctx, node, as_json);
    }
    let key = ctx.query("key").map(str::to_owned);
    if node == ctx.node.name {
        let config = ctx.node.config();
        return if as_json { config.get_json() } else { config.get_text(key.as_deref()) }.into();
    }
    let request = if as_json { Request::ConfigJson } else { Request::ConfigText(key) };
    match ctx.node.call(node, request).await {
        Ok(Response::Text(Some(body))) => {
            let content_type = if as_json { "application/json" } else { "text/plain" };
            Answer { status: 200, content_type: Some(content_type), body }.into()
        }
        Ok(_) | Err(_) => Reply::error(500, "BAD_NODE", &format!("Bad node {node}")),
    }
}

/// A node that was a member is an atom to the broker, and printed with quotes.
fn unknown_node(ctx: &Context<'_>, node: &str, as_json: bool) -> Reply {
    if as_json && ctx.node.cluster_state().members.contains_key(node) {
        return Reply::error(404, "NOT_FOUND", &format!("Bad node '{node}', reason not found"));
    }
    crate::config::unknown_node(node, as_json).into()
}

pub(super) async fn put(ctx: &Context<'_>) -> Reply {
    let text = String::from_utf8_lossy(&ctx.call.body).into_owned();
    let request = Put {
        text: &text,
        mode: ctx.query("mode"),
        ignore_readonly: ctx.query("ignore_readonly"),
        content_type: ctx.call.content_type.as_deref(),
    };
    let profile = ctx.node.profile;
    let answer = ctx.node.reconfigure(|config, can_start| put_answered(config.put(&request, can_start), profile)).await;
    answer.into()
}

pub(super) async fn put_root(ctx: &Context<'_>) -> Reply {
    ctx.node.reconfigure(|config, _| answered(config.put_root(ctx.part(0), &ctx.body))).await.into()
}

/// Latest first, as brokers show them.
async fn everywhere(ctx: &Context<'_>) -> Vec<NodeListeners> {
    let asked = ctx.node.ask_members(Request::Listeners).await;
    let found = asked.into_iter().filter_map(|(_, _, answer)| match answer {
        Ok(Response::Listeners(listeners)) => Some(listeners),
        Ok(_) | Err(_) => None,
    });
    let mut all: Vec<NodeListeners> = found.collect();
    all.reverse();
    all
}

pub(super) async fn listeners(ctx: &Context<'_>) -> Reply {
    let nodes = everywhere(ctx).await;
    ctx.node.config().get_listeners(ctx.query("type"), &nodes).into()
}

pub(super) async fn listeners_status(ctx: &Context<'_>) -> Reply {
    let nodes = everywhere(ctx).await;
    ctx.node.config().get_listeners_status(&nodes).into()
}

pub(super) fn listener(ctx: &Context<'_>) -> Reply {
    // Before the configuration is locked: both read it.
    let here = ctx.node.own_listeners();
    ctx.node.config().get_listener(ctx.part(0), &here).into()
}

pub(super) async fn put_listener(ctx: &Context<'_>, id: Option<&str>) -> Reply {
    let Value::Object(body) = &ctx.body else {
        return Reply::error(400, "BAD_REQUEST", "a listener is an object");
    };
    ctx.node.reconfigure(|config, can_start| answered(config.put_listener(id, body, can_start))).await.into()
}

pub(super) async fn delete_listener(ctx: &Context<'_>) -> Reply {
    ctx.node.reconfigure(|config, _| answered(config.delete_listener(ctx.part(0)))).await.into()
}

pub(super) fn gateways(ctx: &Context<'_>) -> Reply {
    let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000+00:00").to_string();
    ctx.node.config().get_gateways(ctx.query("status"), &ctx.node.name, &started).into()
}

pub(super) async fn put_gateway(ctx: &Context<'_>) -> Reply {
    ctx.node.reconfigure(|config, _| answered(config.put_gateway(ctx.part(0), &ctx.body))).await.into()
}

pub(super) async fn enable_gateway(ctx: &Context<'_>) -> Reply {
    let enable = ctx.part(1) == "true";
    ctx.node.reconfigure(|config, _| answered(config.enable_gateway(ctx.part(0), enable))).await.into()
}
