//! What is known of a cluster between commands. It is written before a process is started, so that nothing is lost when
//! a command is killed.

use super::namespace;
use super::processes::{self, Record};
use crate::{paths, shell};
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a cluster consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Profile {
    /// API server, controllers, scheduler; nodes and pods are fake.
    ControlPlane,
    /// The same with a real node: containers, probes, DNS, Services, volumes.
    Node,
}

impl Profile {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Profile::ControlPlane => "control-plane",
            Profile::Node => "node",
        }
    }
}

/// A cluster.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) profile: Profile,
    /// Whether the start went through.
    pub(crate) complete: bool,
    pub(super) processes: Vec<Record>,
    /// Folders that hold the programs.
    pub(super) tools: Vec<PathBuf>,
    /// The port on the host's loopback that leads to the API server.
    pub(super) host_port: u16,
}

impl State {
    pub(super) fn create(name: &str, profile: Profile, tools: Vec<PathBuf>) -> anyhow::Result<State> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("failed to find a free port")?;
        let host_port = listener.local_addr()?.port();
        let state = State { name: name.to_owned(), profile, complete: false, processes: Vec::new(), tools, host_port };
        std::fs::create_dir_all(state.file("logs"))?;
        state.save()?;
        Ok(state)
    }

    pub(crate) fn load(name: &str) -> anyhow::Result<Option<State>> {
        let file = paths::clusters().join(name).join("state.json");
        if !file.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file)?;
        serde_json::from_str(&text).map(Some).with_context(|| format!("failed to read {}", file.display()))
    }

    /// A cluster that can be used.
    pub(crate) fn running(name: &str) -> anyhow::Result<State> {
        match State::load(name)? {
            Some(state) if state.complete && state.is_alive() => Ok(state),
            _ => bail!("cluster {name} does not run; start it with: cargo xtask cluster up --name {name}"),
        }
    }

    pub(super) fn all() -> Vec<State> {
        let folders = std::fs::read_dir(paths::clusters()).into_iter().flatten().flatten();
        let names = folders.filter_map(|folder| folder.file_name().into_string().ok());
        names.filter_map(|name| State::load(&name).ok().flatten()).collect()
    }

    pub(super) fn save(&self) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(self.file("state.json"), text).context("failed to write the state of the cluster")
    }

    pub(super) fn is_alive(&self) -> bool {
        self.processes.iter().all(processes::is_running)
    }

    pub(super) fn folder(&self) -> PathBuf {
        paths::clusters().join(&self.name)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(super) fn namespace(&self) -> String {
        format!("emqx-{}", self.name)
    }

    /// A program that was built for this cluster.
    pub(crate) fn tool(&self, program: &str) -> PathBuf {
        let built = self.tools.iter().map(|folder| folder.join(program));
        built.into_iter().find(|path| path.exists()).unwrap_or_else(|| program.into())
    }

    /// A program inside the network of the cluster.
    pub(crate) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", namespace::path(&self.namespace()))).arg("--").arg(program);
        command.env("KUBECONFIG", self.file("kubeconfig"));
        command
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        shell::quietly(self.inside(&self.tool("kubectl")).args(arguments))
    }

    /// Applies manifests that are given as text.
    pub(crate) fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        use std::io::Write as _;
        let mut kubectl = self.inside(&self.tool("kubectl"));
        kubectl.args(["apply", "--server-side", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = kubectl.spawn().context("failed to run kubectl")?;
        child.stdin.take().context("kubectl has an input")?.write_all(manifests.as_bytes())?;
        let status = child.wait()?;
        if !status.success() {
            bail!("kubectl apply failed ({status})");
        }
        Ok(())
    }
}
