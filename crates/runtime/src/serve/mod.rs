//! The HTTP endpoints of the operator itself: health and metrics.

use crate::context::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// `/healthz` and `/readyz`.
pub fn health(ctx: Arc<Context>) -> Router {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).with_state(ctx)
}

/// `/metrics`.
pub fn metrics(ctx: Arc<Context>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(ctx)
}

/// Serves until the token is cancelled.
pub async fn serve(address: SocketAddr, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

/// The process answers; nothing else is needed to be alive.
async fn alive() -> &'static str {
    "ok\n"
}

/// Ready once every watch has listed what exists. A follower is ready, too: it can take over at once.
async fn ready(State(ctx): State<Arc<Context>>) -> (StatusCode, &'static str) {
    if ctx.pending.is_synced() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for the watches to list what exists\n")
    }
}

async fn scrape(State(ctx): State<Arc<Context>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], ctx.metrics.encode())
}
