//! Random histories against the operator's decisions, and the bugs that they must catch.

use crate::{paths, programs, progress, shell};
use std::path::PathBuf;
use std::process::Command;

const PACKAGE: &str = "emqx-operator-testkit";

/// Runs random histories of a simulated cluster against the operator's decisions.
#[derive(clap::Args)]
pub(crate) struct Simulate {
    /// How many histories.
    #[arg(long, default_value_t = 20_000)]
    histories: u64,
    /// The seed of the first history; the next ones count on from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events in each history, before the weather gets calm.
    #[arg(long, default_value_t = 120)]
    events: usize,
}

/// Plants bugs in the operator's decisions, one at a time, and sees that the simulation catches each.
#[derive(clap::Args)]
pub(crate) struct Mutants {
    /// Histories until a bug counts as escaped.
    #[arg(long, default_value_t = 10_000)]
    histories: u64,
}

impl Default for Mutants {
    fn default() -> Self {
        Self { histories: 10_000 }
    }
}

impl Default for Simulate {
    fn default() -> Self {
        Self { histories: 20_000, seed: 1, events: 120 }
    }
}

pub(crate) fn simulate(arguments: &Simulate) -> anyhow::Result<()> {
    let program = build()?;
    let mut run = Command::new(program);
    run.args(["--histories", &arguments.histories.to_string(), "--seed", &arguments.seed.to_string()]);
    shell::loudly(run.args(["--events", &arguments.events.to_string()]))
}

pub(crate) fn mutants(arguments: &Mutants) -> anyhow::Result<()> {
    let program = build()?;
    let page = paths::root().join("docs/reference/planted-bugs.md");
    let mut run = Command::new(program);
    shell::loudly(run.arg("--mutants").arg(page).args(["--histories", &arguments.histories.to_string()]))
}

/// One program does both. Nothing is planted unless it is asked to: then every question of the rules is answered with "no", as
/// at compile time without the feature.
fn build() -> anyhow::Result<PathBuf> {
    progress::step("building the simulation", || programs::build_with_feature(PACKAGE, "planted-bugs"))
}
