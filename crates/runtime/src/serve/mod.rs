//! The HTTP endpoints of the operator itself. Followers serve them, too.

mod access;
mod health;
mod metrics;
pub(crate) mod server;
mod slots;
mod tls;

use crate::certificates::Certificates;
use crate::context::Context;
use axum::Router;
use server::{Limits, serve};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts what the settings ask for. An endpoint that cannot be served ends the operator: the kubelet would do so
/// anyway, with less to read.
pub fn start(ctx: &Arc<Context>, tasks: &TaskTracker, stop: &CancellationToken) {
    if let Some(address) = ctx.settings.health_address {
        let router = health::router(ctx.clone());
        let stop = stop.clone();
        tasks.spawn(async move {
            let served = plain(address, router, &stop).await;
            ended(address, served, &stop);
        });
    }
    if let Some(address) = ctx.settings.metrics_address {
        let (ctx, stop) = (ctx.clone(), stop.clone());
        tasks.spawn(async move {
            let served = metrics_endpoint(ctx, address, &stop).await;
            ended(address, served, &stop);
        });
    }
}

async fn metrics_endpoint(ctx: Arc<Context>, address: SocketAddr, stop: &CancellationToken) -> std::io::Result<()> {
    let router = metrics::router(ctx.clone());
    let Some(source) = &ctx.settings.metrics_certificate else { return plain(address, router, stop).await };
    let listener = TcpListener::bind(address).await?;
    // Until there is a certificate connections wait to be accepted.
    let Some(certificates) = Certificates::keep(ctx.client.clone(), source, stop).await else { return Ok(()) };
    let router = access::only_for_those_who_may_scrape(router, ctx.client.clone());
    serve(listener, Some(tls::acceptor(certificates)), router, Limits::DEFAULT, stop).await
}

async fn plain(address: SocketAddr, router: Router, stop: &CancellationToken) -> std::io::Result<()> {
    serve(TcpListener::bind(address).await?, None, router, Limits::DEFAULT, stop).await
}

fn ended(address: SocketAddr, served: std::io::Result<()>, stop: &CancellationToken) {
    if let Err(error) = served {
        tracing::error!(%error, %address, "failed to serve; stopping");
        stop.cancel();
    }
}
