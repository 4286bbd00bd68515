//! Writes generated files anew.

use crate::{paths, shell};
use std::process::Command;

pub(crate) fn run() -> anyhow::Result<()> {
    for (package, test) in [("emqx-operator-api", "crd"), ("emqx-operator-core", "reference")] {
        let mut command = Command::new("cargo");
        command.args(["test", "--quiet", "--package", package, "--test", test]);
        shell::quietly(command.env("UPDATE_GENERATED", "1").current_dir(paths::root()))?;
    }
    println!("config/crd/bases and docs/reference/reasons.md are up to date");
    Ok(())
}
