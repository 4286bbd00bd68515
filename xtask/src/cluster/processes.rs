//! Long-running processes of a cluster. Each is remembered with its start time, because numbers are used again: only
//! processes that we started are ever ended.

use super::State;
use crate::shell;
use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A process that we started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pid: i32,
    /// Clock ticks after boot.
    started: u64,
}

/// Starts a program inside the cluster's network; it outlives this command. Its output goes to `logs/NAME.log`.
pub(super) fn start(state: &mut State, name: &str, arguments: &[String]) -> anyhow::Result<()> {
    let command = state.inside(&state.tool(name));
    start_command(state, name, command, arguments)
}

/// The same on the host's network.
pub(super) fn start_on_host(state: &mut State, name: &str, arguments: &[String]) -> anyhow::Result<()> {
    start_command(state, name, Command::new(name), arguments)
}

fn start_command(state: &mut State, name: &str, mut command: Command, arguments: &[String]) -> anyhow::Result<()> {
    let log = File::create(state.file(&format!("logs/{name}.log")))?;
    // A group of its own, or Ctrl-C would end the cluster before we do.
    let child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let pid = i32::try_from(child.id()).context("process numbers are small")?;
    let started = start_time(pid).with_context(|| format!("{name} ended at once"))?;
    state.processes.push(Record { name: name.to_owned(), pid, started });
    state.save()
}

pub(super) fn is_running(record: &Record) -> bool {
    start_time(record.pid).is_some_and(|started| started == record.started)
}

/// The process, unless it has ended and waits for its parent.
fn start_time(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain blanks.
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if fields.first() == Some(&"Z") { None } else { fields.get(19)?.parse().ok() }
}

/// Ends everything, last started first; containers before what holds them.
pub(super) fn stop_all(state: &State) {
    let (kubelet, others): (Vec<_>, Vec<_>) = state.processes.iter().rev().partition(|record| record.name == "kubelet");
    stop(&kubelet);
    stop_containers(state);
    stop(&others);
    stop_containers(state);
}

fn stop(records: &[&Record]) {
    for (signal, limit) in [(Signal::SIGTERM, 5), (Signal::SIGKILL, 5)] {
        for record in records.iter().filter(|record| is_running(record)) {
            let _ = kill(Pid::from_raw(record.pid), signal);
        }
        wait_until_gone(records, Duration::from_secs(limit));
    }
}

fn wait_until_gone(records: &[&Record], limit: Duration) {
    let started = Instant::now();
    while started.elapsed() < limit && records.iter().any(|record| is_running(record)) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Containers outlive containerd: each has a shim, whose arguments name our socket, and whose children are its processes.
fn stop_containers(state: &State) {
    let socket = state.file("containerd/containerd.sock");
    let shims: Vec<_> = pids().filter(|pid| is_shim_of(*pid, &socket)).collect();
    let inside: Vec<_> = pids().filter(|pid| parent(*pid).is_some_and(|parent| shims.contains(&parent))).collect();
    for pid in inside.iter().chain(&shims) {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
}

fn is_shim_of(pid: i32, socket: &Path) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = arguments.next().unwrap_or_default();
    program.ends_with(b"containerd-shim-runc-v2")
        && arguments.any(|argument| argument == socket.as_os_str().as_encoded_bytes())
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Waits until `ready` succeeds; a process that ends meanwhile is an error that shows its log.
pub(super) fn wait(state: &State, name: &str, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
    shell::until(Duration::from_secs(60), || {
        anyhow::ensure!(ready(), "{name} is not ready:\n{}", log_end(state, name));
        Ok(())
    })
}

fn log_end(state: &State, name: &str) -> String {
    let log = std::fs::read_to_string(state.file(&format!("logs/{name}.log"))).unwrap_or_default();
    shell::last_lines(&log, 15)
}
