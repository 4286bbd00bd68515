//! Static binaries for images.

use crate::{paths, shell};
use anyhow::{Context as _, ensure};
use std::path::PathBuf;
use std::process::Command;

/// With a target of its own the flags do not reach build scripts, and other builds are not thrown away.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds a binary of the workspace that needs nothing but a kernel.
pub(super) fn build_static(package: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(paths::root())
        .args(["build", "--profile", "image", "--target", TARGET, "--package", package])
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static");
    shell::quietly(&mut cargo).with_context(|| format!("failed to build {package}"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::root().join("target"), PathBuf::from);
    let binary = target.join(TARGET).join("image").join(package);
    ensure!(binary.exists(), "cargo built no {}", binary.display());
    Ok(binary)
}

/// Debian's static busybox.
pub(super) fn busybox() -> anyhow::Result<Vec<u8>> {
    let paths = ["/bin/busybox", "/usr/bin/busybox"];
    let found = paths.iter().find_map(|path| std::fs::read(path).ok());
    found.context("busybox is missing; install it with: sudo apt-get install --yes busybox-static")
}
