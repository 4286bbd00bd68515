//! From a fresh machine to a Ready EMQX cluster, an upgrade under connected devices, and what to try next.

pub(crate) mod devices;
pub(crate) mod round_trip;
mod upgrade;

use crate::cluster::{self, Profile, State};
use crate::image::{self, Which};
use crate::{paths, progress, shell};
use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// Starts a real Kubernetes with the operator and an EMQX cluster.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Check that everything works, then tear it down.
    #[arg(long)]
    exit: bool,
    /// Use a cluster of yours, by its kubectl context, and build none. It must be able to pull the operator's image.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

const NAME: &str = "demo";
const EXAMPLE: &str = "examples/core-replicant.yaml";
const READY_LIMIT: Duration = Duration::from_secs(240);

/// Where the demo happens, and how it is reached.
enum Place {
    Local(State),
    Yours(String),
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let place = match &arguments.context {
        Some(context) => Place::Yours(context.clone()),
        None => Place::Local(prepare()?),
    };
    if let Place::Yours(_) = &place {
        refuse_to_overwrite(&place)?;
    }
    let shown = install(&place).and_then(|()| show(&place, started));
    if let (Err(_), Place::Local(state)) = (&shown, &place) {
        eprintln!(
            "the cluster is left for a look: cargo xtask cluster kubectl --name {} get pods,events -A",
            state.name
        );
    }
    shown?;
    if arguments.exit {
        return tear_down(&place);
    }
    wait_for_interrupt()?;
    tear_down(&place)
}

fn prepare() -> anyhow::Result<State> {
    let state = cluster::up(NAME, Profile::Node)?;
    let mut archives = image::build_with_progress(Which::Operator, "building the operator's image")?;
    archives.extend(image::build_with_progress(Which::Sim, "building the stand-in for EMQX")?);
    progress::step("loading images", || archives.iter().try_for_each(|archive| cluster::load_image(&state, archive)))?;
    Ok(state)
}

fn install(place: &Place) -> anyhow::Result<()> {
    progress::step("installing the operator", || {
        kubectl(place, &["apply", "--kustomize", &path("config/default")])?;
        let rollout = ["rollout", "status", "deployment/emqx-operator-controller-manager", "--timeout=120s"];
        kubectl(place, &[&["--namespace", "emqx-operator-system"], &rollout[..]].concat()).map(drop)
    })?;
    progress::step("waiting for the EMQX cluster to be Ready", || {
        kubectl(place, &["apply", "--filename", &path(EXAMPLE)])?;
        shell::until(READY_LIMIT, || ready(place)).with_context(|| explain(place))
    })
}

/// In a cluster of the user a resource of that name may be theirs.
fn refuse_to_overwrite(place: &Place) -> anyhow::Result<()> {
    let found = kubectl(place, &["get", "emqx", "emqx", "--ignore-not-found", "--output", "name"]);
    // Without the CRD there is none.
    ensure!(
        found.unwrap_or_default().is_empty(),
        "there is an EMQX resource emqx in that context already; delete it, or choose a context with another namespace"
    );
    Ok(())
}

fn path(relative: &str) -> String {
    paths::root().join(relative).display().to_string()
}

fn kubectl(place: &Place, arguments: &[&str]) -> anyhow::Result<String> {
    match place {
        Place::Local(state) => state.kubectl(arguments),
        Place::Yours(context) => shell::quietly(Command::new("kubectl").args(["--context", context]).args(arguments)),
    }
}

fn resource(place: &Place) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&kubectl(place, &["get", "emqx", "emqx", "--output", "json"])?)?)
}

fn ready(place: &Place) -> anyhow::Result<()> {
    let resource = resource(place)?;
    let conditions = resource["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let message = ready.and_then(|condition| condition["message"].as_str()).unwrap_or("it has no status yet");
    ensure!(ready.is_some_and(|condition| condition["status"] == "True"), "the cluster is not Ready: {message}");
    Ok(())
}

/// What a person would look at next.
fn explain(place: &Place) -> String {
    let pods = kubectl(place, &["get", "pods", "--output", "wide"]).unwrap_or_default();
    let described = kubectl(place, &["describe", "emqx", "emqx"]).unwrap_or_default();
    format!("pods:\n{pods}\n{}", shell::last_lines(&described, 60))
}

fn show(place: &Place, started: Instant) -> anyhow::Result<()> {
    let message = match place {
        Place::Local(state) => {
            Some(progress::step("sending an MQTT message through the listeners Service", || round_trip(state))?)
        }
        Place::Yours(_) => None,
    };
    let table = kubectl(place, &["get", "emqx,pods,services"])?;
    println!("\n{table}");
    if let Some(message) = message {
        println!("MQTT message received through Service emqx-listeners: {}", message.trim());
    }
    println!("ready after {}\n", progress::seconds(started.elapsed()));
    if let Place::Local(state) = place {
        upgrade::show(place, state, &address(state)?)?;
        println!("\n{}", kubectl(place, &["get", "emqx,pods"])?);
    }
    match place {
        Place::Local(state) => print_local(state),
        Place::Yours(context) => println!("kubectl --context {context} describe emqx emqx"),
    }
    Ok(())
}

/// Of the Service in front of the MQTT listeners.
fn address(state: &State) -> anyhow::Result<String> {
    let template = "jsonpath={.spec.clusterIP}";
    Ok(state.kubectl(&["get", "service", "emqx-listeners", "--output", template])?.trim().to_owned())
}

fn round_trip(state: &State) -> anyhow::Result<String> {
    let address = address(state)?;
    let program = std::env::current_exe().context("failed to find this program")?;
    shell::quietly(state.inside(&program).args(["mqtt-round-trip", &address, "1883"]))
}

fn print_local(state: &State) {
    let kubeconfig = state.file("kubeconfig-host");
    println!("Use it from another terminal:");
    println!("  export KUBECONFIG={}", kubeconfig.display());
    println!("  kubectl get emqx --watch");
    println!("  kubectl describe emqx emqx");
    println!("Dashboard and HTTP API (what answers here is a stand-in for EMQX, its API without the pages):");
    println!("  kubectl port-forward service/emqx-dashboard 18083:18083, then http://127.0.0.1:18083/status");
    println!("Try next:");
    println!("  kubectl scale emqx emqx --replicas=3          # one more replicant");
    println!("  kubectl delete pod emqx-core-1                # comes back with its data");
    let inflight = r#"{"spec": {"config": {"roots": {"mqtt": {"max_inflight": 64}}}}}"#;
    println!("  kubectl patch emqx emqx --type merge --patch '{inflight}'   # other settings, without a restart");
}

fn wait_for_interrupt() -> anyhow::Result<()> {
    use nix::sys::signal::{SigSet, Signal};
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block().context("failed to wait for signals")?;
    println!("\nPress Ctrl-C to stop and remove everything.");
    signals.wait().context("failed to wait for signals")?;
    Ok(())
}

fn tear_down(place: &Place) -> anyhow::Result<()> {
    match place {
        Place::Local(_) => cluster::down(NAME).map(drop),
        Place::Yours(context) => {
            kubectl(place, &["delete", "--filename", &path(EXAMPLE)])?;
            println!("Still there: the operator, and the volumes of the cores. To remove them too:");
            println!("  kubectl --context {context} delete pvc --selector apps.emqx.io/instance=emqx");
            println!("  kubectl --context {context} delete --kustomize config/default");
            Ok(())
        }
    }
}
