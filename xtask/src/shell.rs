//! Runs programs, and says what went wrong with them.

use crate::paths;
use anyhow::{Context as _, bail};
use std::cell::Cell;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Cargo in the checkout, called as by hand. What `cargo run` tells this program about its own package would reach build scripts that
/// look at it, and all that depends on them (ring, and with it every client) would be built again whenever Cargo is called by
/// hand and by this program in turn.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(paths::root());
    let own = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for name in std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(own) {
        cargo.env_remove(name);
    }
    cargo
}

/// Where processors are shared out between groups; pods are such groups.
const GROUPS: &str = "/sys/fs/cgroup/cpu";
const IDLE: &str = "/emqx-operator-idle";

thread_local! {
    static YIELDS: Cell<bool> = const { Cell::new(false) };
}

/// From now on programs that this thread starts work on processors that nobody else wants. A low priority would not do: the
/// kernel first shares processors between groups, and a pod may get less than everybody of low priority together.
pub(crate) fn yield_processors() {
    YIELDS.set(true);
}

/// What has deadlines gets its share all the same.
pub(crate) fn with_processors<T>(work: impl FnOnce() -> T) -> T {
    let yields = YIELDS.replace(false);
    let result = work();
    YIELDS.set(yields);
    result
}

/// Starts a program. It is in the group that this thread is in; the thread stays there for that moment only, or others would wait
/// for what it holds.
pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let start = |command: &mut Command| command.spawn().with_context(|| format!("failed to run {}", name(command)));
    if !YIELDS.get() {
        return start(command);
    }
    if join_idle_group().is_err() {
        let child = start(command)?;
        let _ = Command::new("renice").args(["-n", "19", "-p", &child.id().to_string()]).output();
        return Ok(child);
    }
    let child = start(command);
    join_group(&own_group()).context("failed to leave the idle group")?;
    child
}

fn join_idle_group() -> std::io::Result<()> {
    // Threads of one process can be in different groups of the first version of control groups only.
    if !Path::new(GROUPS).join("tasks").exists() {
        return Err(std::io::ErrorKind::Unsupported.into());
    }
    let group = format!("{GROUPS}{IDLE}");
    std::fs::create_dir_all(&group)?;
    std::fs::write(format!("{group}/cpu.idle"), "1")?;
    join_group(IDLE)
}

fn join_group(group: &str) -> std::io::Result<()> {
    // The kernel shows the number of this thread as `PID/task/TID`.
    let thread = std::fs::read_link("/proc/thread-self")?;
    let number = thread.file_name().unwrap_or_default();
    std::fs::write(format!("{GROUPS}{group}/tasks"), number.as_encoded_bytes())
}

/// The group of this process, as lines of `NUMBER:CONTROLLERS:PATH` say.
fn own_group() -> String {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let found = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == "cpu").then_some(path)
    });
    found.unwrap_or_default().trim_end_matches('/').to_owned()
}

/// Runs a program to its end; its output is shown only when it fails.
pub(crate) fn quietly(command: &mut Command) -> anyhow::Result<String> {
    let child = spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed ({}):\n{}{}", shown(command), output.status, last_lines(&text, 20), last_lines(&errors, 40));
    }
    Ok(text)
}

/// Runs a program to its end with its output on ours.
pub(crate) fn loudly(command: &mut Command) -> anyhow::Result<()> {
    let status = spawn(command)?.wait()?;
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
