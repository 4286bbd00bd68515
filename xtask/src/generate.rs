//! Writes generated files anew.

use crate::shell;

pub(crate) fn run() -> anyhow::Result<()> {
    let writers = [
        ("emqx-operator-api", ["--test", "crd"].as_slice()),
        ("emqx-operator-core", &["--test", "reference"]),
        ("emqx-operator-runtime", &["--lib", "the_page_of_metrics_is_fresh"]),
    ];
    for (package, test) in writers {
        let mut command = shell::cargo();
        command.args(["test", "--quiet", "--package", package]).args(test);
        shell::quietly(command.env("UPDATE_GENERATED", "1"))?;
    }
    println!("config/crd/bases and docs/reference are up to date");
    Ok(())
}
