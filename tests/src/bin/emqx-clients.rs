//! Devices that live through what happens to a cluster: see `emqx_operator_tests::clients`. Run it where the brokers can
//! be reached, for example with `cargo xtask cluster exec`. Ends with 1 when something was lost.

use clap::Parser;
use emqx_operator_tests::clients::{Clients, Plan};
use std::process::ExitCode;
use std::time::Duration;

/// MQTT devices with persistent sessions that say what they lost.
#[derive(Parser)]
struct Arguments {
    /// Address of the MQTT Service, of a balancer or of a broker.
    #[arg(long)]
    host: String,
    #[arg(long, default_value_t = 1883)]
    port: u16,
    /// Begins the names of clients and topics.
    #[arg(long, default_value = "load")]
    name: String,
    /// Persistent sessions, each with a subscription.
    #[arg(long, default_value_t = 200)]
    sessions: usize,
    /// Clients that publish.
    #[arg(long, default_value_t = 10)]
    publishers: usize,
    /// QoS 1 messages per second, of all publishers together.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// How long to publish; without it, until SIGINT or SIGTERM.
    #[arg(long)]
    seconds: Option<u64>,
    /// How long to wait for connections at the beginning, and for messages and clients at the end.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { host, port, name, sessions, publishers, rate, seconds, patience, json } = Arguments::parse();
    let patience = Duration::from_secs(patience);
    let plan = Plan { sessions, publishers, rate, ..Plan::new(&host, port, &name) };
    let clients = Clients::start(plan, patience).await?;
    eprintln!("{sessions} sessions are subscribed, {publishers} publishers send {rate} messages/s");
    ended(seconds).await?;
    let report = clients.finish(patience).await;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(if report.nothing_lost() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ended(seconds: Option<u64>) -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let time = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = time => {}
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    Ok(())
}
