//! The operator's binary: arguments and wiring.

mod arguments;
mod logs;
mod metrics;

use anyhow::Context as _;
use arguments::{Arguments, Command};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    rustls::crypto::ring::default_provider().install_default().ok();
    // Two clusters' worth of work at a time needs no more threads, and each costs memory.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match &arguments.command {
        Some(Command::Crd) => print_crds(),
        Some(Command::Metrics(metrics)) => runtime.block_on(metrics::run(metrics)),
        None => {
            logs::start(arguments.log_format, &arguments.log_level)?;
            runtime.block_on(run(arguments))
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = kube::Config::infer().await.context("failed to find a Kubernetes API server")?;
    let settings = arguments.settings(&config.default_namespace)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespaces =
            if settings.watch_namespaces.is_empty() { "all".into() } else { settings.watch_namespaces.join(",") },
        leader_election = settings.leader_election.is_some(),
        "starting"
    );
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    emqx_operator_runtime::run(config, settings, stop).await?;
    Ok(())
}

async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to stop; finishing what is under way");
    stop.cancel();
}

fn print_crds() -> anyhow::Result<()> {
    for (_, crd) in emqx_operator_api::all_crds() {
        print!("---\n{}", serde_yaml::to_string(&crd)?);
    }
    Ok(())
}
