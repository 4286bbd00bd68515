//! Evacuation and rebalance: checks of the request, then a call of the node concerned.

use super::super::fields::{self, Bad};
use super::super::{Context, Reply};
use super::cluster::{rpc_failed, unknown};
use crate::evacuation;
use crate::rebalance::Options;
use crate::rpc::{Request, Response};
use serde_json::{Value, json};

pub(super) fn available(ctx: &Context<'_>) -> Reply {
    if ctx.node.is_available() {
        return Reply::json(&json!({}));
    }
    Reply::error(503, "NODE_EVACUATING", "Node Evacuating")
}

/// This node only: an evacuation, or its part as a donor.
pub(super) async fn local(ctx: &Context<'_>) -> Reply {
    let evacuation = ctx.node.evacuation_status().await.map(|mut status| {
        status["process"] = "evacuation".into();
        status
    });
    let status = evacuation.or_else(|| ctx.node.donor_status()).map_or_else(
        || json!({"status": "disabled"}),
        |mut status| {
            status["status"] = "enabled".into();
            status
        },
    );
    Reply::json(&status)
}

pub(super) async fn global(ctx: &Context<'_>) -> Reply {
    let evacuations = gather(ctx, Request::EvacuationStatus).await;
    let rebalances = gather(ctx, Request::RebalanceStatus).await;
    Reply::json(&json!({"evacuations": evacuations, "purges": [], "rebalances": rebalances}))
}

async fn gather(ctx: &Context<'_>, request: Request) -> Vec<Value> {
    let rows = ctx.node.ask_members(request).await.into_iter().filter_map(|(name, _, answer)| match answer {
        Ok(Response::Value(Value::Object(mut status))) => {
            status.insert("node".to_owned(), name.into());
            Some(Value::Object(status))
        }
        Ok(_) | Err(_) => None,
    });
    rows.collect()
}

pub(super) fn eviction(ctx: &Context<'_>) -> Reply {
    if ctx.node.is_available() {
        return Reply::json(&json!({"status": "disabled"}));
    }
    let counts = ctx.node.clients.counts();
    let stats = json!({"connections": counts.connected, "sessions": counts.sessions()});
    Reply::json(&json!({"status": "enabled", "stats": stats}))
}

async fn tell(ctx: &Context<'_>, request: Request) -> Reply {
    let name = ctx.part(0);
    match ctx.node.call(name, request).await {
        Ok(Response::Done) => Reply::json(&json!({})),
        Ok(Response::Refused(reason)) => Reply::error(400, "BAD_REQUEST", &format!("error on node '{name}': {reason}")),
        Ok(_) | Err(_) => rpc_failed(),
    }
}

const EVACUATION: [&str; 6] =
    ["wait_health_check", "conn_evict_rate", "wait_takeover", "sess_evict_rate", "migrate_to", "redirect_to"];

pub(super) async fn start_evacuation(ctx: &Context<'_>) -> Reply {
    let options = match evacuation_options(&ctx.body) {
        Ok(options) => options,
        Err(reply) => return *reply,
    };
    if !ctx.node.is_running_member(ctx.part(0)).await {
        return unknown(ctx.part(0));
    }
    // The node itself may be in the list: brokers accept that.
    let unavailable = unavailable(ctx, options.migrate_to.as_deref().unwrap_or_default()).await;
    if !unavailable.is_empty() {
        return nodes_unavailable(&unavailable);
    }
    tell(ctx, Request::StartEvacuation(options)).await
}

/// `redirect_to` is accepted and ignored.
fn evacuation_options(body: &Value) -> Result<evacuation::Options, Bad> {
    fields::only(body, &EVACUATION)?;
    let defaults = evacuation::Options::default();
    Ok(evacuation::Options {
        wait_health_check: fields::seconds(body, "wait_health_check", defaults.wait_health_check)?,
        conn_evict_rate: fields::positive(body, "conn_evict_rate", defaults.conn_evict_rate)?,
        wait_takeover: fields::seconds(body, "wait_takeover", defaults.wait_takeover)?,
        sess_evict_rate: fields::positive(body, "sess_evict_rate", defaults.sess_evict_rate)?,
        migrate_to: fields::names(body, "migrate_to")?,
    })
}

/// Nodes that do not run or are evacuating.
async fn unavailable(ctx: &Context<'_>, names: &[String]) -> Vec<String> {
    let mut unavailable = Vec::new();
    for name in names {
        let member = ctx.node.is_running_member(name).await;
        let takes = |answer| matches!(answer, Ok(Response::Value(Value::Bool(true))));
        if !member || !takes(ctx.node.call(name, Request::TakesSessions).await) {
            unavailable.push(name.clone());
        }
    }
    unavailable
}

fn nodes_unavailable(names: &[String]) -> Reply {
    Reply::error(400, "NOT_FOUND", &format!("Nodes unavailable: [{}]", names.join(",")))
}

pub(super) async fn stop_evacuation(ctx: &Context<'_>) -> Reply {
    if !ctx.node.is_running_member(ctx.part(0)).await {
        return unknown(ctx.part(0));
    }
    tell(ctx, Request::StopEvacuation).await
}

pub(super) async fn start_rebalance(ctx: &Context<'_>) -> Reply {
    let mut options = match rebalance_options(ctx) {
        Ok(options) => options,
        Err(reply) => return *reply,
    };
    if !ctx.node.is_running_member(ctx.part(0)).await {
        return unknown(ctx.part(0));
    }
    if options.nodes.is_empty() {
        options.nodes = ctx.node.running().await;
    }
    let mut missing = Vec::new();
    for name in &options.nodes {
        if !ctx.node.is_running_member(name).await {
            missing.push(name.clone());
        }
    }
    if !missing.is_empty() {
        return nodes_unavailable(&missing);
    }
    tell(ctx, Request::StartRebalance(options)).await
}

fn rebalance_options(ctx: &Context<'_>) -> Result<Options, Bad> {
    let body = &ctx.body;
    let mut known = vec![
        "wait_health_check",
        "conn_evict_rate",
        "sess_evict_rate",
        "wait_takeover",
        "abs_conn_threshold",
        "abs_sess_threshold",
        "rel_conn_threshold",
        "rel_sess_threshold",
        "nodes",
    ];
    if ctx.node.profile.since(5, 9) {
        known.extend(["conn_evict_rpc_timeout", "sess_evict_rpc_timeout"]);
    }
    fields::only(body, &known)?;
    Ok(Options {
        wait_health_check: fields::seconds(body, "wait_health_check", 60)?,
        conn_evict_rate: fields::positive(body, "conn_evict_rate", 500)?,
        sess_evict_rate: fields::positive(body, "sess_evict_rate", 500)?,
        wait_takeover: fields::seconds(body, "wait_takeover", 60)?,
        abs_conn_threshold: fields::positive(body, "abs_conn_threshold", 1000)?,
        abs_sess_threshold: fields::positive(body, "abs_sess_threshold", 1000)?,
        rel_conn_threshold: fields::ratio(body, "rel_conn_threshold", 1.1)?,
        rel_sess_threshold: fields::ratio(body, "rel_sess_threshold", 1.1)?,
        nodes: fields::names(body, "nodes")?.unwrap_or_default(),
        conn_evict_rpc_timeout: fields::milliseconds(body, "conn_evict_rpc_timeout", 15_000)?,
        sess_evict_rpc_timeout: fields::milliseconds(body, "sess_evict_rpc_timeout", 15_000)?,
    })
}

pub(super) async fn stop_rebalance(ctx: &Context<'_>) -> Reply {
    if !ctx.node.is_running_member(ctx.part(0)).await {
        return unknown(ctx.part(0));
    }
    tell(ctx, Request::StopRebalance).await
}
