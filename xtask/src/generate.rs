//! Writes generated files anew.

use crate::{paths, shell};
use std::process::Command;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut command = Command::new("cargo");
    command.args(["test", "--quiet", "--package", "emqx-operator-api", "--test", "crd"]);
    shell::quietly(command.env("UPDATE_GENERATED", "1").current_dir(paths::root()))?;
    println!("config/crd/bases is up to date");
    Ok(())
}
