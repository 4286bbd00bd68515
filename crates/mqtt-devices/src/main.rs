//! Devices that live through what happens to a cluster: see the library. Run it where the brokers can be reached, for
//! example with `cargo xtask cluster exec`. Ends with 1 when something was lost.

use clap::Parser;
use mqtt_devices::command;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about, long_about = None)]
struct Cli {
    #[command(flatten)]
    arguments: command::Arguments,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let nothing_lost = command::run(Cli::parse().arguments).await?;
    Ok(if nothing_lost { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
