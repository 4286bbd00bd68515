//! Static binaries for images.

use crate::{paths, shell};
use anyhow::{Context as _, ensure};
use std::path::PathBuf;

/// With a target of its own the flags do not reach build scripts, and other builds are not thrown away.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How much time the compiler takes.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// For local clusters: nearly as good, in a fraction of the time.
    Image,
    /// For users.
    Release,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Profile::Image => "image",
            Profile::Release => "release",
        }
    }
}

/// Builds a binary of the workspace that needs nothing but a kernel. Where it is built does not show in it, so that the
/// same sources give the same bytes.
pub(super) fn build_static(package: &str, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut cargo = shell::program("cargo");
    let flags = format!(
        "-C target-feature=+crt-static -C relocation-model=static --remap-path-prefix={}=/src --remap-path-prefix={}=/cargo",
        paths::root().canonicalize()?.display(),
        cargo_home().display(),
    );
    cargo
        .current_dir(paths::root())
        .args(["build", "--locked", "--profile", profile.name(), "--target", TARGET, "--package", package])
        .env("RUSTFLAGS", flags);
    shell::quietly(&mut cargo).with_context(|| format!("failed to build {package}"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::root().join("target"), PathBuf::from);
    let binary = target.join(TARGET).join(profile.name()).join(package);
    ensure!(binary.exists(), "cargo built no {}", binary.display());
    Ok(binary)
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

/// Debian's static busybox.
pub(super) fn busybox() -> anyhow::Result<Vec<u8>> {
    let paths = ["/bin/busybox", "/usr/bin/busybox"];
    let found = paths.iter().find_map(|path| std::fs::read(path).ok());
    found.context("busybox is missing; install it with: sudo apt-get install --yes busybox-static")
}
