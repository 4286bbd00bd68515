//! MQTT devices, run by the demo inside the cluster's network.

use anyhow::ensure;
use mqtt_devices::command;

pub(crate) fn run(arguments: command::Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    ensure!(runtime.block_on(command::run(arguments))?, "something was lost");
    Ok(())
}
