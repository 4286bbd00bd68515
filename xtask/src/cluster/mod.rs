//! Local Kubernetes clusters: real ones, each in a network namespace of its own, built from pinned sources.

mod certificates;
mod control_plane;
mod kubeconfig;
mod namespace;
mod node;
pub(crate) mod packages;
mod processes;
mod state;
pub(crate) mod tools;

pub(crate) use state::{Profile, State};

use crate::{progress, shell};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Starts a cluster, and builds its programs when that has not been done yet.
    Up {
        /// `control-plane`: API server, controllers, scheduler and fake nodes; ready in seconds. `node`: real pods.
        #[arg(long, value_enum, default_value_t = Profile::Node)]
        profile: Profile,
        #[command(flatten)]
        name: Name,
    },
    /// Stops a cluster and removes everything of it.
    Down {
        #[command(flatten)]
        name: Name,
    },
    /// Shows the clusters that run, and where their files are.
    Status,
    /// Runs kubectl in a cluster: `cargo xtask cluster kubectl get pods`.
    Kubectl {
        #[command(flatten)]
        name: Name,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs a program inside the network of a cluster, with KUBECONFIG set: there Services and pods can be reached.
    Exec {
        #[command(flatten)]
        name: Name,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
    /// Prints what makes your own kubectl use a cluster: `eval "$(cargo xtask cluster env)"`.
    Env {
        #[command(flatten)]
        name: Name,
    },
    /// Loads images, archives as `docker save` writes them, into a cluster with real pods.
    LoadImage {
        #[command(flatten)]
        name: Name,
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Name {
    /// Which cluster; several can run side by side.
    #[arg(long, default_value = "default", value_parser = name)]
    name: String,
}

fn name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() <= 20 && text.chars().all(legal) {
        Ok(text.to_owned())
    } else {
        Err("use up to 20 lower-case letters, digits and '-'".to_owned())
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up { profile, name } => {
            let state = up(&name.name, profile)?;
            println!("cluster {} runs; try: cargo xtask cluster kubectl --name {0} get nodes", state.name);
        }
        Command::Down { name } => {
            if !down(&name.name)? {
                println!("no cluster {} runs", name.name);
            }
        }
        Command::Status => status(),
        Command::Kubectl { name, arguments } => {
            let state = State::running(&name.name)?;
            let mut kubectl = state.inside(&state.tool("kubectl"));
            std::process::exit(kubectl.args(arguments).status()?.code().unwrap_or(1));
        }
        Command::Exec { name, command } => {
            let state = State::running(&name.name)?;
            let mut inside = state.inside(Path::new(&command[0]));
            std::process::exit(inside.args(&command[1..]).status()?.code().unwrap_or(1));
        }
        Command::Env { name } => {
            let state = State::running(&name.name)?;
            println!("export KUBECONFIG={}", state.file("kubeconfig-host").display());
        }
        Command::LoadImage { name, files } => {
            let state = State::running(&name.name)?;
            for file in files {
                progress::step(&format!("loading {}", file.display()), || load_image(&state, &file))?;
            }
        }
    }
    Ok(())
}

/// Starts a cluster; one that runs already is left as it is, one that was left behind half-way is removed first.
pub(crate) fn up(name: &str, profile: Profile) -> anyhow::Result<State> {
    if let Some(state) = State::load(name)? {
        if state.complete && state.profile == profile && state.is_alive() {
            return Ok(state);
        }
        progress::step(&format!("removing what is left of cluster {name}"), || remove(&state))?;
    }
    packages::install(profile)?;
    let tools = tools::build(profile)?;
    let mut state = State::create(name, profile, tools)?;
    let result = start(&mut state);
    if let Err(error) = result {
        let logs = state.file("logs");
        return Err(error.context(format!("cluster {name} did not start; its logs are in {}", logs.display())));
    }
    state.complete = true;
    state.save()?;
    Ok(state)
}

fn start(state: &mut State) -> anyhow::Result<()> {
    namespace::create(&state.namespace())?;
    certificates::write(state)?;
    kubeconfig::write(state)?;
    let label = format!("starting Kubernetes, profile {}", state.profile.as_str());
    progress::step(&label, || {
        control_plane::start(state)?;
        match state.profile {
            Profile::ControlPlane => node::start_fake(state),
            Profile::Node => node::start(state),
        }
    })
}

/// Stops a cluster and removes everything of it; says whether there was one.
pub(crate) fn down(name: &str) -> anyhow::Result<bool> {
    let Some(state) = State::load(name)? else { return Ok(false) };
    progress::step(&format!("stopping cluster {name}"), || remove(&state))?;
    Ok(true)
}

fn remove(state: &State) -> anyhow::Result<()> {
    processes::stop_all(state);
    namespace::remove(&state.namespace(), &state.folder())?;
    std::fs::remove_dir_all(state.folder()).context("failed to remove the files of the cluster")
}

fn status() {
    let states = State::all();
    if states.is_empty() {
        println!("no cluster runs; start one with: cargo xtask cluster up");
    }
    for state in states {
        let condition = if state.complete && state.is_alive() { "runs" } else { "is broken; run down or up" };
        println!("{} ({}) {condition}", state.name, state.profile.as_str());
        println!("  files  {}", state.folder().display());
        println!("  audit  {}", state.file("logs/audit.log").display());
        println!("  kubectl: cargo xtask cluster kubectl --name {} get pods -A", state.name);
    }
}

/// Loads an archive as `docker save` writes it.
pub(crate) fn load_image(state: &State, file: &Path) -> anyhow::Result<()> {
    if state.profile != Profile::Node {
        bail!("cluster {} has no real pods; start one with --profile node", state.name);
    }
    let mut ctr = Process::new("ctr");
    ctr.arg("--address").arg(state.file("containerd/containerd.sock"));
    ctr.args(["--namespace", "k8s.io", "images", "import", "--digests=false"]).arg(file);
    shell::quietly(&mut ctr).map(drop)
}

/// Waits until a command inside the cluster succeeds.
pub(crate) fn wait_for(state: &State, limit: Duration, arguments: &[&str]) -> anyhow::Result<String> {
    shell::until(limit, || state.kubectl(arguments))
}
