//! The network of a cluster: a namespace of its own, so that nothing of it touches the host and clusters can run side
//! by side. It is entered with `nsenter`, not `ip netns exec`: that mounts /sys anew and hides the cgroups from kubelet.

use crate::shell;
use anyhow::Context as _;
use std::path::Path;
use std::process::Command;

/// The address of the node, and of the API server.
pub(super) const NODE_ADDRESS: &str = "10.10.0.1";
/// The addresses of fake pods.
pub(super) const FAKE_PODS: &str = "10.250.0.0/16";

pub(super) fn path(name: &str) -> String {
    format!("/var/run/netns/{name}")
}

pub(super) fn create(name: &str) -> anyhow::Result<()> {
    ip(&["netns", "add", name]).context("network namespaces need root")?;
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", path(name))).args(["--", "ip"]).args(arguments);
        shell::quietly(&mut command).map(drop)
    };
    inside(&["link", "set", "lo", "up"])?;
    // There is no "dummy" link type everywhere; a bridge without members serves as well.
    inside(&["link", "add", "node0", "type", "bridge"])?;
    inside(&["address", "add", &format!("{NODE_ADDRESS}/24"), "dev", "node0"])?;
    inside(&["link", "set", "node0", "up"])?;
    inside(&["route", "add", "default", "via", NODE_ADDRESS])?;
    // One process can answer for every fake pod: all their addresses are local.
    inside(&["route", "add", "local", FAKE_PODS, "dev", "lo"])
}

/// Removes the namespace and what is mounted below the folder of the cluster: root file systems of containers, volumes,
/// network namespaces of pods.
pub(super) fn remove(name: &str, folder: &Path) -> anyhow::Result<()> {
    for mount in mounts_below(folder) {
        shell::quietly(Command::new("umount").args(["--lazy", &mount])).ok();
    }
    if Path::new(&path(name)).exists() {
        ip(&["netns", "delete", name])?;
    }
    Ok(())
}

/// Deepest first.
fn mounts_below(folder: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = table.lines().filter_map(|line| line.split_whitespace().nth(4));
    let mut below: Vec<_> = points.filter(|point| Path::new(point).starts_with(folder)).map(str::to_owned).collect();
    below.reverse();
    below
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    shell::quietly(Command::new("ip").args(arguments)).map(drop)
}
