//! How long steps took, and what their test runners counted.

use crate::{progress, shell};
use anyhow::{Context as _, bail};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a step has counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    passed: u64,
    failed: u64,
}

/// How a step went.
pub(super) struct Went {
    name: &'static str,
    counted: Totals,
    took: Duration,
    failed: bool,
}

/// Runs a step and tells how it went.
pub(super) fn timed(name: &'static str, step: impl FnOnce(&mut Totals) -> anyhow::Result<()>) -> Went {
    println!("== {name}");
    let started = Instant::now();
    let mut counted = Totals::default();
    let result = step(&mut counted);
    let took = started.elapsed();
    match &result {
        Ok(()) => println!("== {name}: ok {}\n", progress::seconds(took)),
        Err(error) => println!("== {name}: FAILED {}\n{error:#}\n", progress::seconds(took)),
    }
    Went { name, counted, took, failed: result.is_err() }
}

/// The closing lines. Steps of two lanes overlap: the whole is less than their sum.
pub(super) fn conclude(went: &[Went], whole: Duration) -> anyhow::Result<()> {
    for one in went {
        println!("{:>12}  {}{}", progress::seconds(one.took), one.name, if one.failed { " FAILED" } else { "" });
    }
    println!("{:>12}  in all", progress::seconds(whole));
    let passed: u64 = went.iter().map(|one| one.counted.passed).sum();
    // A step that failed without a failed test is one itself.
    let failed: u64 =
        went.iter().map(|one| one.counted.failed + u64::from(one.failed && one.counted.failed == 0)).sum();
    println!("{passed} passed, {failed} failed");
    let names: Vec<_> = went.iter().filter(|one| one.failed).map(|one| one.name).collect();
    if !names.is_empty() {
        bail!("these steps failed: {}", names.join("; "));
    }
    Ok(())
}

/// Runs a command with its output on ours, and adds up what its test runners count.
pub(super) fn counted(command: &mut Command, totals: &mut Totals) -> anyhow::Result<()> {
    let mut child = shell::spawn(command.stdout(Stdio::piped()))?;
    let output = child.stdout.take().context("the tests have an output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(counts) = line.trim().strip_prefix("test result: ") {
            totals.passed += count(counts, "passed");
            totals.failed += count(counts, "failed");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the tests ended with {status}");
    }
    Ok(())
}

/// The number in front of a word: `ok. 5 passed; 0 failed; …`.
fn count(text: &str, word: &str) -> u64 {
    let words: Vec<_> = text.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    let numbers = words.windows(2).filter(|pair| pair[1] == word).filter_map(|pair| pair[0].parse::<u64>().ok());
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn totals_are_read_off_the_runner() {
        let line = "ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.39s";
        assert_eq!((count(line, "passed"), count(line, "failed")), (12, 3));
    }
}
