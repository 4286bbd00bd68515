//! `/healthz` and `/readyz`.

use crate::context::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;

/// A reconcile asks EMQX and Kubernetes with deadlines; when none begins or ends for this long while changes wait, the loop
/// hangs, and a new process is the cure.
const STUCK: Duration = Duration::from_secs(600);

pub fn router(ctx: Arc<Context>) -> Router {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(ctx)
}

async fn alive(State(ctx): State<Arc<Context>>) -> (StatusCode, String) {
    match ctx.metrics.queue.stuck() {
        Some(silent) if ctx.pending.is_synced() && silent > STUCK => {
            let text = format!("changes wait, and no reconcile has begun or ended for {} s\n", silent.as_secs());
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        }
        _ => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// Ready once every watch has listed what exists. A follower is ready, too: it can take over at once.
async fn ready(State(ctx): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if ctx.pending.is_synced() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the watches to list what exists\n")
    }
}
