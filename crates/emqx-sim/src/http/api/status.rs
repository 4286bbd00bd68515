//! `GET /status`: says nothing about the cluster or an evacuation.

use super::super::{Context, Reply};
use crate::config::{Answer, Edition};
use crate::node::bootstrap::has_scopes;
use serde_json::json;

pub(super) fn status(ctx: &Context<'_>) -> Reply {
    let node = ctx.node;
    if ctx.query("format") != Some("json") {
        let text = format!("Node {} is started\nemqx is running", node.name);
        return Reply::from(Answer::text(200, text)).with_header("retry-after", "15");
    }
    let mut body = json!({"node_name": node.name, "broker_status": "started", "app_status": "running"});
    if node.profile.since(5, 9) {
        body["cluster"] = node.config().cluster_name().into();
    }
    // The patch wave that brought scopes took the release away.
    if !has_scopes(node.profile) {
        let letter = if node.profile.edition == Edition::OpenSource { "v" } else { "e" };
        body["rel_vsn"] = format!("{letter}{}", node.version()).into();
    }
    Reply::json(&body).with_header("retry-after", "15")
}
