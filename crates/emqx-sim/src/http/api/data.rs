//! Backup files. They lie on the node that made them: calls without `node` look at the node they reach.

use super::super::{Context, Reply};
use crate::rpc::{Request, Response};
use serde_json::{Value, json};

fn bad(text: &str) -> Reply {
    Reply::error(400, "BAD_REQUEST", text)
}

pub(super) fn export(ctx: &Context<'_>) -> Reply {
    if let Err(reply) = super::super::fields::only(&ctx.body, &["table_sets", "root_keys"]) {
        return *reply;
    }
    match ctx.node.export() {
        Ok(info) => Reply::json(&info),
        Err(reason) => Reply::error(500, "INTERNAL_ERROR", reason),
    }
}

pub(super) async fn list(ctx: &Context<'_>) -> Reply {
    let asked = ctx.node.ask_members(Request::Backups).await;
    let mut files: Vec<Value> = asked
        .into_iter()
        .filter_map(
            |(_, _, answer)| if let Ok(Response::Value(Value::Array(files))) = answer { Some(files) } else { None },
        )
        .flatten()
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(file["created_at_sec"].as_i64()));
    let number = |name: &str, default: usize| ctx.query(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (page, limit) = (number("page", 1).max(1), number("limit", 100).max(1));
    let count = files.len();
    let data: Vec<Value> = files.into_iter().skip((page - 1) * limit).take(limit).collect();
    Reply::json(&json!({
        "data": data, "meta": {"page": page, "limit": limit, "count": count, "hasnext": page * limit < count},
    }))
}

async fn ask(ctx: &Context<'_>, request: Request) -> Result<Response, Box<Reply>> {
    let node = ctx.query("node").unwrap_or(&ctx.node.name);
    if !ctx.node.is_running_member(node).await {
        return Err(Box::new(bad(&format!("Unknown node: {node}"))));
    }
    ctx.node.call(node, request).await.map_err(|_| Box::new(Reply::error(500, "INTERNAL_ERROR", "nodedown")))
}

pub(super) async fn download(ctx: &Context<'_>) -> Reply {
    match ask(ctx, Request::ReadBackup(ctx.part(0).to_owned())).await {
        Err(reply) => *reply,
        Ok(Response::Bytes(Some(body))) => {
            Reply { status: 200, content_type: Some("application/octet-stream"), headers: Vec::new(), body }
        }
        Ok(_) => missing(),
    }
}

fn missing() -> Reply {
    Reply::error(404, "NOT_FOUND", "not_found")
}

pub(super) async fn delete(ctx: &Context<'_>) -> Reply {
    match ask(ctx, Request::DeleteBackup(ctx.part(0).to_owned())).await {
        Err(reply) => *reply,
        Ok(Response::Number(1)) => Reply::empty(204),
        Ok(_) => missing(),
    }
}

/// The part named `filename` of a form.
pub(super) fn upload(ctx: &Context<'_>) -> Reply {
    let boundary = ctx.call.content_type.as_deref().and_then(|kind| kind.split_once("boundary="));
    let Some((_, boundary)) = boundary.filter(|(kind, _)| kind.starts_with("multipart/form-data")) else {
        return Reply::error(415, "UNSUPPORTED_MEDIA_TYPE", "content-type:[multipart/form-data] Required");
    };
    let Some((name, bytes)) = form_file(&ctx.call.body, boundary.trim_matches('"')) else {
        return bad("missing file");
    };
    match ctx.node.write_backup(&name, bytes) {
        Ok(()) => Reply::empty(204),
        Err(reason) => bad(reason),
    }
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

fn form_file<'a>(body: &'a [u8], boundary: &str) -> Option<(String, &'a [u8])> {
    let split = find(body, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&body[..split]).ok()?;
    let (_, rest) = head.split_once("; filename=\"")?;
    let name = rest.split('"').next()?.to_owned();
    let content = &body[split + 4..];
    let end = find(content, format!("\r\n--{boundary}").as_bytes())?;
    Some((name, &content[..end]))
}

/// Checks that the archive is there; its content is not restored.
pub(super) async fn import(ctx: &Context<'_>) -> Reply {
    let Some(name) = ctx.body.get("filename").and_then(Value::as_str) else { return bad("filename is required") };
    let node = ctx.body.get("node").and_then(Value::as_str).unwrap_or(&ctx.node.name);
    match ctx.node.call(node, Request::ReadBackup(name.to_owned())).await {
        Ok(Response::Bytes(Some(_))) => Reply::empty(204),
        Ok(_) => bad("not_found"),
        Err(_) => bad(&format!("Unknown node: {node}")),
    }
}
