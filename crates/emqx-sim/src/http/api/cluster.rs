//! Nodes and membership. The view is that of the node asked.

use super::super::{Context, Reply};
use crate::cluster_state::{Change, Role};
use crate::config::Answer;
use crate::node::Seen;
use crate::rpc::{CallError, Request, Response};
use serde_json::{Value, json};

pub(super) fn unknown(name: &str) -> Reply {
    Reply::error(404, "NOT_FOUND", &format!("Node not found: {name}"))
}

/// Running nodes by name, then stopped cores with three fields. Silent nodes are left out.
pub(super) async fn nodes(ctx: &Context<'_>) -> Reply {
    let (mut running, mut stopped) = (Vec::new(), Vec::new());
    for (name, role, answer) in ctx.node.ask_members(Request::Info).await {
        match (answer, role) {
            (Ok(Response::Value(info)), _) => running.push(info),
            (Err(CallError::Down | CallError::WrongCookie), Role::Core) => {
                stopped.push(json!({"node": name, "node_status": "stopped", "role": "core"}));
            }
            (Ok(_) | Err(_), _) => {}
        }
    }
    let sessions: u64 = running.iter().filter_map(|info| info["connections"].as_u64()).sum();
    for info in &mut running {
        info["cluster_sessions"] = sessions.into();
    }
    running.extend(stopped);
    if ctx.node.faults().half_of_the_nodes {
        running = running.into_iter().step_by(2).collect();
    }
    Reply::json(&Value::Array(running))
}

pub(super) async fn node(ctx: &Context<'_>) -> Reply {
    match one(ctx, Request::Info).await {
        Ok(mut info) => {
            info["cluster_sessions"] = sessions(ctx).await.into();
            Reply::json(&info)
        }
        Err(reply) => *reply,
    }
}

pub(super) async fn node_stats(ctx: &Context<'_>) -> Reply {
    one(ctx, Request::Stats).await.map_or_else(|reply| *reply, |stats| Reply::json(&stats))
}

async fn one(ctx: &Context<'_>, request: Request) -> Result<Value, Box<Reply>> {
    let name = ctx.part(0);
    let known = ctx.node.cluster_state().members.contains_key(name);
    match ctx.node.call(name, request).await {
        _ if !known => Err(Box::new(unknown(name))),
        Ok(Response::Value(value)) => Ok(value),
        Err(CallError::Down | CallError::WrongCookie) => Err(Box::new(unknown(name))),
        Ok(_) | Err(CallError::Silent) => Err(Box::new(rpc_failed())),
    }
}

/// An undeclared code: text under a JSON content type.
pub(super) fn rpc_failed() -> Reply {
    let text = "Unsupported code 'RPC_ERROR', message <<\"rpc_failed\">>".to_owned();
    Answer { content_type: Some("application/json"), ..Answer::text(500, text) }.into()
}

pub(super) async fn sessions(ctx: &Context<'_>) -> u64 {
    let counts = ctx.node.ask_members(Request::Counts).await;
    let one = |answer| if let Ok(Response::Counts(counts)) = answer { counts.sessions() } else { 0 };
    counts.into_iter().map(|(_, _, answer)| one(answer)).sum()
}

pub(super) async fn stats(ctx: &Context<'_>) -> Reply {
    let rows = ctx.node.ask_members(Request::Stats).await.into_iter().filter_map(|(name, _, answer)| match answer {
        Ok(Response::Value(mut stats)) => {
            stats["node"] = name.into();
            Some(stats)
        }
        Ok(_) | Err(_) => None,
    });
    Reply::json(&rows.collect())
}

/// Lists a member that boots already, unlike `GET /nodes`.
pub(super) async fn cluster(ctx: &Context<'_>) -> Reply {
    let mut nodes = Vec::new();
    for (name, _, answer) in ctx.node.ask_members(Request::Ping).await {
        if answer.is_ok() {
            nodes.push(name);
        }
    }
    let name = ctx.node.config().cluster_name().to_owned();
    let mut body = json!({"name": name, "nodes": nodes, "self": ctx.node.name});
    if ctx.node.profile.since(6, 0) {
        body["description"] = "".into();
    }
    Reply::json(&body)
}

pub(super) async fn topology(ctx: &Context<'_>) -> Reply {
    let running = ctx.node.running().await;
    let members = ctx.node.cluster_state().members.clone();
    let (cores, replicants): (Vec<_>, Vec<_>) =
        running.into_iter().partition(|name| members.get(name) == Some(&Role::Core));
    let streams = |name: &String| json!({"node": name, "streams": 10});
    let rows = cores
        .iter()
        .map(|core| json!({"core_node": core, "replicant_nodes": replicants.iter().map(streams).collect::<Value>()}));
    Reply::json(&rows.collect())
}

fn bad(message: &str) -> Reply {
    Reply::error(400, "BAD_REQUEST", message)
}

pub(super) async fn invite(ctx: &Context<'_>) -> Reply {
    let target = ctx.part(0).to_owned();
    if target.matches('@').count() != 1 {
        return bad("Bad node name");
    }
    if ctx.body.get("timeout").and_then(Value::as_u64).is_some_and(|millis| millis < 5000) {
        return bad("timeout must be at least 5000");
    }
    if target == ctx.node.name {
        return bad("Cannot invite self");
    }
    if ctx.node.cluster_state().members.contains_key(&target) {
        return bad("Node is already in cluster");
    }
    match ctx.node.call(&target, Request::Invite { inviter: ctx.node.name.clone() }).await {
        Ok(Response::Done) => Reply::empty(200),
        Ok(Response::Refused(reason)) => bad(&reason),
        Ok(_) | Err(_) => bad("nodedown"),
    }
}

/// A node that is gone is not in the cluster: 400, never the declared 404. Stopped replicants are gone at once.
pub(super) async fn force_leave(ctx: &Context<'_>) -> Reply {
    let target = ctx.part(0).to_owned();
    if target == ctx.node.name {
        return bad("Cannot leave self");
    }
    let role = ctx.node.cluster_state().members.get(&target).copied();
    match (role, ctx.node.seen(&target).await) {
        (None, _) | (Some(Role::Replicant), Seen::Stopped) => return bad("node_not_in_cluster"),
        (Some(_), Seen::Running) => {
            let _ = ctx.node.call(&target, Request::Leave).await;
        }
        (Some(_), Seen::Stopped | Seen::Silent) => {}
    }
    ctx.node.change(Change::Gone(target)).await;
    Reply::empty(204)
}
