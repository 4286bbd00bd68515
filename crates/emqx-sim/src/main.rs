//! The stand-in under the names of the real image: as `docker-entrypoint.sh` it runs its arguments, as `emqx` it is
//! the start script.

use anyhow::{Context, Result, bail};
use clap::Parser;
use emqx_sim::pod::{self, Pod};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A simulator of an EMQX node.
#[derive(Parser)]
struct Arguments {
    /// The folder with etc and data.
    #[arg(long, env = "EMQX_SIM_ROOT", default_value = "/opt/emqx")]
    root: PathBuf,
    /// The release to play.
    #[arg(long, env = "EMQX_SIM_VERSION", default_value = "5.10.4")]
    release: String,
    /// ce or ee; only matters up to 5.8.
    #[arg(long, env = "EMQX_SIM_EDITION", default_value = "ee")]
    edition: String,
    /// Milliseconds from start to open port.
    #[arg(long, env = "EMQX_SIM_BOOT_MS", default_value_t = 4000)]
    boot_ms: u64,
    /// The port for tests.
    #[arg(long, env = "EMQX_SIM_ADMIN", default_value = "127.0.0.1:18099")]
    admin: SocketAddr,
    /// foreground, or ctl with its arguments.
    #[arg(trailing_var_arg = true)]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let Arguments { root, release, edition, boot_ms, admin, command } = Arguments::parse();
    // The entrypoint gets the path of the start script as its first argument.
    let words: Vec<String> = command.into_iter().filter(|word| !word.ends_with("/emqx")).collect();
    match words.split_first() {
        None => bail!("nothing to do: foreground and ctl are known"),
        Some((word, _)) if word == "foreground" => {
            let profile = format!("{release}-{edition}").parse().map_err(anyhow::Error::msg)?;
            let boot = Duration::from_millis(boot_ms);
            pod::foreground(Pod { root, profile, boot, admin: Some(admin) }).await
        }
        Some((word, arguments)) if word == "ctl" => {
            let data = root.join(std::env::var("EMQX_NODE__DATA_DIR").unwrap_or_else(|_| "data".to_owned()));
            let text = pod::ctl(&data, arguments).await.context("failed to reach the node: it does not run")?;
            print!("{text}");
            Ok(())
        }
        Some((word, _)) => bail!("{word} is unknown: foreground and ctl are known"),
    }
}
