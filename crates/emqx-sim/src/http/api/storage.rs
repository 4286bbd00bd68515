//! Durable storage: sites, shards and where their replicas are. Errors of changes have an integer as code.

use super::super::{Context, Reply};
use crate::cluster_state::Shard;
use crate::node::Seen;
use crate::storage::DATABASE;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn not_found(text: &str) -> Reply {
    Reply::error(404, "NOT_FOUND", text)
}

fn refused(text: &str) -> Reply {
    Reply { status: 400, ..Reply::json(&json!({"code": 400, "message": text})) }
}

/// Two bytes that are no JSON.
fn accepted() -> Reply {
    Reply { status: 202, content_type: Some("application/json"), headers: Vec::new(), body: b"OK".to_vec() }
}

fn no_database(name: &str) -> Reply {
    not_found(&format!("DB '{name}' does not exist"))
}

pub(super) fn sites(ctx: &Context<'_>) -> Reply {
    Reply::json(&json!(ctx.node.cluster_state().storage.sites.keys().collect::<Vec<_>>()))
}

/// `up`, `down`, or `lost` once it left the cluster.
async fn statuses(ctx: &Context<'_>) -> BTreeMap<String, &'static str> {
    let storage = ctx.node.cluster_state().storage.clone();
    let lost = ctx.node.lost_sites(&storage);
    let mut statuses = BTreeMap::new();
    for (site, node) in storage.sites {
        let status = if lost.contains(&site) {
            "lost"
        } else if ctx.node.seen(&node).await == Seen::Running {
            "up"
        } else {
            "down"
        };
        statuses.insert(site, status);
    }
    statuses
}

pub(super) async fn site(ctx: &Context<'_>) -> Reply {
    let site = ctx.part(0);
    let storage = ctx.node.cluster_state().storage.clone();
    let Some(node) = storage.sites.get(site) else { return not_found(&format!("Site not found: {site}")) };
    let status = statuses(ctx).await.get(site).copied().unwrap_or("lost");
    let mut shards = Vec::new();
    for (database, all) in &storage.databases {
        for (id, shard) in all.iter().enumerate() {
            let transition = shard.transitions().into_iter().find(|(name, _)| name == site);
            if !shard.replicas.contains(site) && transition.is_none() {
                continue;
            }
            let mut row = json!({"storage": database, "id": id.to_string(), "status": status});
            if let Some((_, kind)) = transition.filter(|_| ctx.node.profile.since(5, 9)) {
                row["transition"] = kind.into();
            }
            shards.push(row);
        }
    }
    Reply::json(&json!({"node": node, "up": status == "up", "shards": shards}))
}

pub(super) fn storages(ctx: &Context<'_>) -> Reply {
    let open: Vec<&str> = if ctx.node.config().durable_sessions() { vec![DATABASE] } else { Vec::new() };
    Reply::json(&json!(open))
}

/// The shards of the database in the path; none before they were allocated.
fn shards(ctx: &Context<'_>) -> Result<Vec<Shard>, Box<Reply>> {
    let name = ctx.part(0);
    if name != DATABASE || !ctx.node.config().durable_sessions() {
        return Err(Box::new(no_database(name)));
    }
    Ok(ctx.node.cluster_state().storage.databases.get(name).cloned().unwrap_or_default())
}

pub(super) async fn storage(ctx: &Context<'_>) -> Reply {
    let all = match shards(ctx) {
        Ok(all) => all,
        Err(reply) => return *reply,
    };
    let statuses = statuses(ctx).await;
    let rows = all.iter().enumerate().map(|(id, shard)| {
        let status = |site: &String| statuses.get(site).copied().unwrap_or("lost");
        let replicas = shard.replicas.iter().map(|site| json!({"site": site, "status": status(site)}));
        let mut row = json!({"id": id.to_string(), "replicas": replicas.collect::<Value>()});
        let transitions = shard.transitions();
        if ctx.node.profile.since(5, 9) && !transitions.is_empty() {
            let shown = transitions.iter().map(|(site, kind)| json!({"site": site, "transition": kind}));
            row["transitions"] = shown.collect();
        }
        row
    });
    Reply::json(&json!({"name": ctx.part(0), "shards": rows.collect::<Value>()}))
}

fn holders(shards: &[Shard]) -> BTreeSet<String> {
    shards.iter().flat_map(|shard| shard.replicas.iter().cloned()).collect()
}

fn wanted(shards: &[Shard]) -> BTreeSet<String> {
    shards.iter().flat_map(|shard| shard.target.as_ref().unwrap_or(&shard.replicas).iter().cloned()).collect()
}

pub(super) fn replicas(ctx: &Context<'_>) -> Reply {
    shards(ctx).map_or_else(|reply| *reply, |all| Reply::json(&json!(holders(&all))))
}

pub(super) async fn put_replicas(ctx: &Context<'_>) -> Reply {
    let all = match shards(ctx) {
        Ok(all) => all,
        Err(reply) => return *reply,
    };
    let names = ctx.body.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    retarget(ctx, all, names.collect()).await
}

/// A new target replaces the one before; each shard gets its share of the sites.
async fn retarget(ctx: &Context<'_>, mut all: Vec<Shard>, sites: BTreeSet<String>) -> Reply {
    let mut storage = ctx.node.cluster_state().storage.clone();
    let unknown: Vec<&str> =
        sites.iter().filter(|site| !storage.sites.contains_key(*site)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return refused(&format!("Unknown sites: {}", unknown.join(", ")));
    }
    let lost = ctx.node.lost_sites(&storage);
    let gone: Vec<&str> = sites.iter().filter(|site| lost.contains(*site)).map(String::as_str).collect();
    if !gone.is_empty() {
        return refused(&format!("Lost sites: {}", gone.join(", ")));
    }
    if sites.is_empty() {
        return refused("Too few sites");
    }
    let factor = usize::try_from(ctx.node.config().replication_factor()).unwrap_or(3);
    let names: Vec<&String> = sites.iter().collect();
    for (index, shard) in all.iter_mut().enumerate() {
        let share = (0..names.len().min(factor)).map(|n| names[(index + n) % names.len()].clone());
        let target: BTreeSet<String> = share.collect();
        shard.target = (target != shard.replicas).then_some(target);
    }
    storage.databases.insert(DATABASE.to_owned(), all);
    ctx.node.change_storage(storage).await;
    accepted()
}

pub(super) async fn add_replica(ctx: &Context<'_>) -> Reply {
    match shards(ctx) {
        Err(reply) => *reply,
        Ok(all) => {
            let mut sites = wanted(&all);
            sites.insert(ctx.part(1).to_owned());
            retarget(ctx, all, sites).await
        }
    }
}

pub(super) async fn remove_replica(ctx: &Context<'_>) -> Reply {
    match shards(ctx) {
        Err(reply) => *reply,
        Ok(all) => {
            let mut sites = wanted(&all);
            if !sites.remove(ctx.part(1)) {
                return not_found(&format!("Site is not part of the replica set: {}", ctx.part(1)));
            }
            retarget(ctx, all, sites).await
        }
    }
}

/// Only what is gone and holds nothing may be forgotten.
pub(super) async fn forget(ctx: &Context<'_>) -> Reply {
    match ctx.node.forget_site(ctx.part(0)).await {
        Ok(()) => Reply::empty(204),
        Err("not_found") => not_found(&format!("Site not found: {}", ctx.part(0))),
        Err(reason) => refused(reason),
    }
}
