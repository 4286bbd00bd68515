//! Runs programs, and says what went wrong with them.

use anyhow::{Context as _, bail};
use std::cell::Cell;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

thread_local! {
    static BESIDE: Cell<bool> = const { Cell::new(false) };
}

/// From now on programs that this thread makes with [`program`] leave the processors to others that want them.
pub(crate) fn work_beside_others() {
    BESIDE.set(true);
}

/// A program, with the priority of the thread that asks.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    if !BESIDE.get() {
        return Command::new(name);
    }
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(name);
    nice
}

/// Runs a program to its end; its output is shown only when it fails.
pub(crate) fn quietly(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("failed to run {}", name(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}):\n{}{}", shown(command), output.status, last_lines(&text, 20), last_lines(&errors, 40));
    }
    Ok(text)
}

/// Runs a program to its end with its output on ours.
pub(crate) fn loudly(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("failed to run {}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Tries until it works; the last error counts.
pub(crate) fn until<T>(limit: Duration, mut attempt: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if started.elapsed() > limit => {
                return Err(error.context(format!("gave up after {} s", limit.as_secs())));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Whether a program is installed.
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|folder| Path::new(folder).join(program).is_file())
}

/// The end of a text, where errors usually stand.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("    {line}\n")).collect()
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn shown(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let text = [name(command)].into_iter().chain(arguments).collect::<Vec<_>>().join(" ");
    text.chars().take(300).collect()
}
