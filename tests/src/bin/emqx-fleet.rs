//! The EMQX nodes of all fake pods of a control-plane cluster, in one process: see `emqx_operator_tests::fleet`. For
//! benches and for a look at an operator without waiting for pods. It must run in the network of the cluster.

use anyhow::Context as _;
use clap::Parser;
use emqx_operator_tests::cluster;
use emqx_operator_tests::fleet::Fleet;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Plays the EMQX node of every fake pod.
#[derive(Parser)]
struct Arguments {
    /// Of a user who may read pods, Secrets and ConfigMaps.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { kubeconfig } = Arguments::parse();
    let path = kubeconfig.to_str().context("the path of the kubeconfig is not UTF-8")?;
    let client = cluster::client(path).await.with_context(|| format!("failed to use {path}"))?;
    let _fleet = Fleet::listen(client).await.context("failed to listen on the port of the dashboards")?;
    println!("playing the EMQX nodes of all pods");
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}
