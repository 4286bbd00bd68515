//! Every planted bug in a process of its own: is it caught, and how soon?

use emqx_operator_core::planted::{self, Bug};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Switches on the bug of this name.
pub(crate) fn plant(name: &str) {
    match Bug::ALL.iter().find(|bug| bug.name() == name) {
        Some(bug) => planted::plant(*bug),
        None => {
            eprintln!("error: there is no bug {name}");
            std::process::exit(2);
        }
    }
}

/// Tries all of them, writes the page, and says how the process should end.
pub(crate) fn run(page: &Path, histories: u64) -> i32 {
    let started = Instant::now();
    let mut escaped = Vec::new();
    for bug in Bug::ALL {
        match caught(*bug, histories) {
            Ok(how) => println!("{:20} caught: {how}", bug.name()),
            Err(problem) => {
                println!("{:20} ESCAPED: {problem}", bug.name());
                escaped.push(bug.name());
            }
        }
    }
    if let Err(error) = std::fs::write(page, text()) {
        println!("failed to write {}: {error}", page.display());
        return 1;
    }
    let (all, seconds) = (Bug::ALL.len(), started.elapsed().as_secs_f64());
    println!("mutants: {} of {all} planted bugs caught in {seconds:.1} s", all - escaped.len());
    i32::from(!escaped.is_empty())
}

/// What the simulation said of it, in one line.
fn caught(bug: Bug, histories: u64) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut run = Command::new(program);
    run.args(["--bug", bug.name(), "--histories", &histories.to_string()]);
    let output = run.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = said.lines().find(|line| line.starts_with("seed ") && line.contains(" failed: "));
    match failed {
        Some(line) if !output.status.success() => Ok(line.chars().take(110).collect()),
        _ => Err(said.lines().last().unwrap_or("it said nothing").to_owned()),
    }
}

fn text() -> String {
    let mut page = String::from(
        "# Planted bugs\n\nWritten by `cargo xtask mutants`, which plants each of them in the decisions of the operator \
         and sees that the simulation catches it.\n\n| bug | what it does |\n| --- | --- |\n",
    );
    for bug in Bug::ALL {
        let _ = writeln!(page, "| {} | {} |", bug.name(), bug.text().trim());
    }
    page
}
