//! Another image under connected devices: what an upgrade costs them, in figures.

use super::{Place, kubectl, ready, resource};
use crate::cluster::State;
use crate::{progress, shell};
use anyhow::{Context as _, bail, ensure};
use mqtt_devices::command::READY;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::time::Duration;

const IMAGE: &str = "emqx/emqx:6.0.0";
/// The licence of the example allows 25 sessions.
const SESSIONS: &str = "16";
const PUBLISHERS: &str = "4";
const LIMIT: Duration = Duration::from_secs(300);

/// Changes the image while devices are connected, and says what they noticed. Fails if something was lost.
pub(super) fn show(place: &Place, state: &State, address: &str) -> anyhow::Result<()> {
    let mut devices = progress::step("connecting devices", || connect(state, address))?;
    // A balancer in front of a real cluster needs longer to notice; the defaults are 60 s and 10 s.
    let waits = json!({"evacuationStrategy": {"waitHealthCheck": 6, "waitTakeover": 2}});
    let change = json!({"spec": {"image": IMAGE, "updateStrategy": waits}}).to_string();
    let changed = progress::step(&format!("changing the image to {IMAGE} under them"), || {
        kubectl(place, &["patch", "emqx", "emqx", "--type", "merge", "--patch", &change])?;
        shell::until(LIMIT, || settled(place))
    });
    let report = finish(&mut devices);
    changed?;
    let report = report?;
    println!("\nWhat the devices noticed of the image change (4 nodes, one after the other):");
    report.lines().for_each(|line| println!("  {line}"));
    Ok(())
}

/// Devices in the network of the cluster, all of them subscribed.
fn connect(state: &State, address: &str) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("failed to find this program")?;
    let mut command = state.inside(&program);
    command.args(["mqtt-devices", "--host", address, "--name", "demo", "--rate", "40"]);
    command.args(["--sessions", SESSIONS, "--publishers", PUBLISHERS]);
    let mut devices =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("failed to start the devices")?;
    let said = devices.stderr.take().context("the devices have an output")?;
    let mut lines = Vec::new();
    for line in BufReader::new(said).lines() {
        let line = line?;
        if line.ends_with(READY) {
            return Ok(devices);
        }
        lines.push(line);
    }
    bail!("the devices did not connect: {}", lines.join("; "))
}

/// The status speaks of the spec as it is now, and says Ready.
fn settled(place: &Place) -> anyhow::Result<()> {
    let resource: Value = resource(place)?;
    let observed = resource["status"]["observedGeneration"] == resource["metadata"]["generation"];
    ensure!(observed, "the operator has not seen the change yet");
    ready(place)
}

fn finish(devices: &mut Child) -> anyhow::Result<String> {
    let pid = i32::try_from(devices.id()).context("a process has a number")?;
    kill(Pid::from_raw(pid), Signal::SIGTERM).context("failed to stop the devices")?;
    let mut report = String::new();
    devices.stdout.take().context("the devices have an output")?.read_to_string(&mut report)?;
    let status = devices.wait()?;
    ensure!(status.success(), "the devices lost something:\n{report}");
    Ok(report)
}
