//! `/metrics`.

use crate::context::Context;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

pub fn router(ctx: Arc<Context>) -> Router {
    Router::new().route("/metrics", get(scrape)).with_state(ctx)
}

async fn scrape(State(ctx): State<Arc<Context>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], ctx.metrics.encode())
}
