//! cargo-deny: what Cargo.lock names may be linked, and is known to have no hole. `deny.toml` says what may.

use crate::{paths, progress, shell};
use anyhow::Context as _;
use std::path::PathBuf;
use std::process::Command;

const VERSION: &str = "0.20.2";

/// What does not change without us.
pub(crate) fn check() -> anyhow::Result<()> {
    run(&["--hide-inclusion-graph", "bans", "licenses", "sources"])
}

/// What others find out about crates: the same tree passes today and fails tomorrow.
pub(crate) fn advisories() -> anyhow::Result<()> {
    run(&["advisories"])
}

fn run(checks: &[&str]) -> anyhow::Result<()> {
    let mut deny = Command::new(program()?);
    shell::loudly(deny.current_dir(paths::root()).args(["--locked", "check"]).args(checks))
}

/// Built once, and without optimization: a check of our tree takes seconds all the same.
fn program() -> anyhow::Result<PathBuf> {
    let folder = paths::cache().join("tools").join(format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    let target = tempfile::tempdir().context("failed to make a folder")?;
    progress::step("building cargo-deny (once, some minutes)", || {
        let mut cargo = shell::cargo();
        cargo.args(["install", "cargo-deny", "--locked", "--version", &format!("={VERSION}"), "--profile", "dev"]);
        cargo.arg("--root").arg(&folder).arg("--target-dir").arg(target.path());
        shell::quietly(cargo.env("CARGO_PROFILE_DEV_DEBUG", "false")).map(drop)
    })?;
    Ok(program)
}
