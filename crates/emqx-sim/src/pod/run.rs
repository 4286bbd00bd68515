//! `emqx foreground`: one node from its environment and files until SIGTERM or until it ends by itself.

use super::{ctl, name};
use crate::admin::{self, Admin};
use crate::config::{Config, Layers, Profile};
use crate::http;
use crate::mqtt_clients::MqttClients;
use crate::mqtt_listeners;
use crate::node::{Node, Parts};
use crate::rpc::tcp::{self, Discovery, Remote};
use crate::timings::Timings;
use crate::volume::Volume;
use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Where the image keeps `etc` and `data`, and the variables that say what is simulated.
#[derive(Debug, Clone)]
pub struct Pod {
    pub root: PathBuf,
    pub profile: Profile,
    pub boot: Duration,
    /// None: no port for tests.
    pub admin: Option<SocketAddr>,
}

/// Ends with an error when the broker would exit with 1, with nothing after SIGTERM.
pub async fn foreground(pod: Pod) -> Result<()> {
    let node_name = own_name();
    let (layers, data) = layers(&pod.root, &node_name)?;
    let (config, _) = Config::boot(pod.profile, &layers)?;
    let Some(cookie) = config.cookie().map(str::to_owned) else {
        bail!("{node_name}: node.cookie is not set; set EMQX_NODE__COOKIE");
    };
    let clients = Arc::new(MqttClients::new(&node_name));
    let node = Node::new(Parts {
        profile: pod.profile,
        layers,
        etc: pod.root.join("etc"),
        volume: Volume::new(data),
        clients: clients.clone(),
        peers: Arc::new(Remote::new(node_name.clone(), cookie.clone(), discovery(&config))?),
        timings: Timings { boot: pod.boot, ..Timings::default() },
    })?;
    clients.belong_to(&node);
    let ports = SocketAddr::from((Ipv4Addr::UNSPECIFIED, tcp::port(&node_name)));
    let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
    let admin_port = async {
        match pod.admin {
            Some(address) => {
                let clients = clients.synthetic.clone();
                admin::serve(Admin { node: node.clone(), clients }, address).await
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        exit = node.clone().run() => Err(exit.into()),
        ended = tcp::serve(node.clone(), cookie, ports) => ended.with_context(|| format!("failed to listen on {ports}")),
        ended = http::serve_pod(node.clone()) => ended.context("failed to serve the API"),
        () = mqtt_listeners::serve(node.clone(), clients.broker.clone()) => bail!("the MQTT listeners ended"),
        ended = ctl::serve(node.clone()) => ended.context("failed to serve emqx ctl"),
        ended = admin_port => ended.context("failed to serve the test port"),
        _ = terminate.recv() => {
            node.stop().await;
            Ok(())
        }
    }
}

fn own_name() -> String {
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let hostname = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    name::node_name(&|variable| std::env::var(variable).ok(), &hosts, hostname.trim())
}

/// The layers with the name that the start script found, and the data directory.
fn layers(root: &Path, node_name: &str) -> Result<(Layers, PathBuf)> {
    let mut environment: Vec<(String, String)> = std::env::vars().collect();
    environment.retain(|(name, _)| name != "EMQX_NODE_NAME" && name != "EMQX_NODE__NAME");
    environment.push(("EMQX_NODE__NAME".to_owned(), node_name.to_owned()));
    let given = std::env::var("EMQX_NODE__DATA_DIR").unwrap_or_else(|_| "data".to_owned());
    let data = root.join(given.trim_matches('"'));
    std::fs::create_dir_all(&data).with_context(|| format!("failed to make {}", data.display()))?;
    Ok((Layers::load(&root.join("etc"), &data, environment)?, data))
}

fn discovery(config: &Config) -> Discovery {
    match (config.discovery_strategy(), config.dns_name()) {
        ("static", _) => Discovery::Static(config.static_seeds()),
        ("dns", Some(name)) if config.dns_record_type() == "srv" => Discovery::Srv(name.to_owned()),
        ("dns", Some(name)) => Discovery::Address(name.to_owned()),
        _ => Discovery::None,
    }
}
