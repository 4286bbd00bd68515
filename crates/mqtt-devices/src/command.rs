//! The clients as a command: they run until they are stopped, and report losses.

use crate::{Clients, Plan};
use std::time::Duration;

/// MQTT devices with persistent sessions that say what they lost.
#[derive(clap::Args, Debug)]
pub struct Arguments {
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

/// The end of the line on stderr when all clients are connected.
pub const READY: &str = "are subscribed";

/// Runs until the time is over or a signal comes, and prints the report; false if something was lost.
pub async fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let Arguments { host, port, name, sessions, publishers, rate, seconds, patience, json } = arguments;
    let patience = Duration::from_secs(patience);
    let plan = Plan { sessions, publishers, rate, ..Plan::new(&host, port, &name) };
    let clients = Clients::start(plan, patience).await?;
    eprintln!("{publishers} publishers send {rate} messages/s, {sessions} sessions {READY}");
    ended(seconds).await?;
    let report = clients.finish(patience).await;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(report.nothing_lost())
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
