//! Builds the programs of the workspace.

use crate::{paths, shell};
use anyhow::{Context as _, ensure};
use std::path::PathBuf;

/// With a target of its own the flags do not reach build scripts, and other builds are not thrown away.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// How much time the compiler takes.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// For this machine: nearly as good, in a fraction of the time.
    Local,
    /// For users.
    Release,
}

/// What local clusters run. Programs for this machine are built together with these: Cargo chooses the features of libraries
/// for all packages of one command, and builds a library again for a command that needs others.
const LOCAL: [&str; 2] = ["emqx-operator", "emqx-sim"];

/// Builds a program that is called like its package.
pub(crate) fn build(package: &str, profile: Profile) -> anyhow::Result<PathBuf> {
    match profile {
        Profile::Local => build_local(package, package),
        Profile::Release => cargo("release", &[package], &[], package),
    }
}

/// Builds a program of a package for this machine.
pub(crate) fn build_local(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    let others = LOCAL.into_iter().filter(|other| *other != package);
    cargo("local", &others.chain([package]).collect::<Vec<_>>(), &[], program)
}

/// Builds a program whose feature must not get into any other one.
pub(crate) fn build_with_feature(package: &str, feature: &str) -> anyhow::Result<PathBuf> {
    cargo("local", &[package], &["--features", feature], package)
}

/// A program needs nothing but a kernel. Where it is built does not show in it, so that the same sources give the same bytes.
fn cargo(profile: &str, packages: &[&str], more: &[&str], program: &str) -> anyhow::Result<PathBuf> {
    let flags = format!(
        "-C target-feature=+crt-static -C relocation-model=static --remap-path-prefix={}=/src --remap-path-prefix={}=/cargo",
        paths::root().canonicalize()?.display(),
        cargo_home().display(),
    );
    let mut cargo = shell::cargo();
    cargo.env("RUSTFLAGS", flags);
    cargo.args(["build", "--locked", "--profile", profile, "--target", TARGET]).args(more);
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    shell::quietly(&mut cargo).with_context(|| format!("failed to build {program}"))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::root().join("target"), PathBuf::from);
    let binary = target.join(TARGET).join(profile).join(program);
    ensure!(binary.exists(), "cargo built no {}", binary.display());
    Ok(binary)
}

fn cargo_home() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}
