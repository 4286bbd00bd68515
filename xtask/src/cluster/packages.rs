//! Debian packages that a cluster needs.

use super::Profile;
use crate::{paths, progress, shell};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Program or file, and the package that brings it.
const ALWAYS: [(&str, &str); 2] = [("ip", "iproute2"), ("socat", "socat")];
const FOR_PODS: [(&str, &str); 6] = [
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("busybox", "busybox-static"),
];

pub(super) fn install(profile: Profile) -> anyhow::Result<()> {
    let wanted = ALWAYS.iter().chain(if profile == Profile::Node { &FOR_PODS[..] } else { &[] });
    let missing: Vec<_> = wanted.filter(|(program, _)| !shell::exists(program)).map(|(_, package)| *package).collect();
    install_packages(&missing)
}

/// Prometheus and promtool, unpacked and not installed: the package would start a service.
pub(crate) fn prometheus() -> anyhow::Result<PathBuf> {
    let folder = paths::cache().join("tools/prometheus");
    let programs = folder.join("usr/bin");
    if programs.join("promtool").exists() {
        return Ok(programs);
    }
    std::fs::create_dir_all(&folder)?;
    let package = tempfile::tempdir()?;
    progress::step("fetching prometheus", || {
        if !apt(package.path(), &["download", "prometheus"]) {
            install_lists()?;
            shell::quietly(Command::new("apt-get").current_dir(package.path()).args(["download", "prometheus"]))?;
        }
        let file = std::fs::read_dir(package.path())?.next().context("apt-get downloaded nothing")??.path();
        shell::quietly(Command::new("dpkg-deb").arg("--extract").arg(file).arg(&folder)).map(drop)
    })?;
    Ok(programs)
}

fn apt(folder: &Path, arguments: &[&str]) -> bool {
    shell::quietly(Command::new("apt-get").current_dir(folder).args(arguments)).is_ok()
}

fn install_lists() -> anyhow::Result<()> {
    shell::quietly(Command::new("apt-get").args(["--quiet", "update"])).map(drop)
}

/// Installs packages when we may, names the command otherwise.
pub(crate) fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    if !nix::unistd::geteuid().is_root() || !shell::exists("apt-get") {
        bail!("these Debian packages are missing; install them with: sudo apt-get install --yes {list}");
    }
    progress::step(&format!("installing {list}"), || {
        let apt = || {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
            command
        };
        shell::quietly(apt().arg("update"))?;
        shell::quietly(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages)).map(drop)
    })
}
