//! Whole nodes with MQTT listeners: clients and sessions while the management API moves them.

use crate::clients::{Client, Event, Version};
use emqx_sim::http::{self, Call};
use emqx_sim::local::{Network, Running, Spec, own_address};
use emqx_sim::rpc::Phase;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// Long, for a loaded machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster that listens on loopback.
pub(crate) struct Cluster {
    network: Arc<Network>,
    folder: TempDir,
    settings: Vec<(&'static str, &'static str)>,
    addresses: BTreeMap<String, SocketAddr>,
    running: BTreeMap<String, Running>,
}

impl Cluster {
    pub(crate) async fn start(cores: &[&str], settings: &[(&'static str, &'static str)]) -> Self {
        let mut cluster = Self {
            network: Network::new(cores),
            folder: tempfile::tempdir().unwrap(),
            settings: settings.to_vec(),
            addresses: cores.iter().map(|name| ((*name).to_owned(), own_address())).collect(),
            running: BTreeMap::new(),
        };
        for name in cores {
            cluster.boot(name);
            cluster.until(name, |_, nodes| nodes.len() == cluster.running.len()).await;
        }
        for name in cores {
            cluster.until(name, |_, nodes| nodes.len() == cores.len()).await;
            cluster.listens(name).await;
        }
        cluster
    }

    pub(crate) async fn listens(&self, name: &str) {
        let connected = async {
            while TcpStream::connect(self.address(name)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, connected).await.expect("the node listens");
    }

    /// Starts a node on the volume that it had.
    pub(crate) fn boot(&mut self, name: &str) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let spec = self.spec(name, &folder);
        self.running.insert(name.to_owned(), self.network.start(spec).unwrap());
    }

    fn spec(&self, name: &str, folder: &Path) -> Spec {
        let keys = self.folder.path().join("keys");
        std::fs::write(&keys, "op:secret\n").unwrap();
        let mut spec = Spec::new("5.10.4", name, folder)
            .unwrap()
            .env("EMQX_CLUSTER__DISCOVERY_STRATEGY", "static")
            .env("EMQX_LICENSE__KEY", "evaluation")
            .env("EMQX_API_KEY__BOOTSTRAP_FILE", keys.to_str().unwrap())
            .listening(self.address(name));
        spec.timings.tick = Duration::from_millis(100);
        spec.timings.discovery = Duration::from_millis(200);
        for (name, value) in &self.settings {
            spec = spec.env(name, value);
        }
        spec
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    pub(crate) fn node(&self, name: &str) -> &Running {
        &self.running[name]
    }

    /// The process is gone without a goodbye; its volume stays.
    pub(crate) fn kill(&mut self, name: &str) {
        self.running.remove(name).unwrap();
    }

    pub(crate) async fn call(&self, name: &str, method: &str, path: &str, body: Value) -> Value {
        let call = Call {
            method: method.to_owned(),
            path: format!("/api/v5/{path}"),
            accept: Some("application/json".to_owned()),
            content_type: Some("application/json".to_owned()),
            authorization: Some("Basic b3A6c2VjcmV0".to_owned()),
            body: if body.is_null() { Vec::new() } else { body.to_string().into_bytes() },
            ..Call::default()
        };
        let reply = http::answer(&self.running[name].node, &call).await.unwrap();
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// Waits until the node runs and its list of running nodes is as wanted.
    pub(crate) async fn until(&self, name: &str, wanted: impl Fn(&Running, &[Value]) -> bool) {
        let waiting = async {
            self.running[name].node.reaches(Phase::Running).await;
            loop {
                let nodes = self.call(name, "GET", "nodes", Value::Null).await;
                let running = nodes.as_array().cloned().unwrap_or_default().into_iter();
                let running: Vec<_> = running.filter(|node| node["node_status"] == "running").collect();
                if wanted(&self.running[name], &running) {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the cluster comes to be as wanted");
    }

    /// Empties a node and waits until it is empty.
    pub(crate) async fn evacuate(&self, name: &str, to: &[&str]) {
        let options = json!({"wait_health_check": 0, "wait_takeover": 0, "migrate_to": to});
        self.call(name, "POST", &format!("load_rebalance/{name}/evacuation/start"), options).await;
        let waiting = async {
            while self.call(name, "GET", "load_rebalance/status", Value::Null).await["state"] != "prohibiting" {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the node is emptied");
    }
}

const NAMES: [&str; 3] = ["a@h", "b@h", "c@h"];

#[tokio::test]
async fn sessions_of_clients_that_are_away_go_where_the_evacuation_says() {
    let cluster = Cluster::start(&NAMES, &[]).await;
    for number in 0..10 {
        let name = format!("client-{number}");
        let (mut client, _) = Client::connect(Version::V5, &name, cluster.address("a@h")).await;
        client.subscribe("t").await;
    }
    let away = |count| move |node: &Running, _: &[Value]| node.node.clients.counts().disconnected == count;
    cluster.until("a@h", away(10)).await;
    let (mut publisher, _) = Client::connect(Version::V5, "publisher", cluster.address("b@h")).await;
    publisher.publish("t", "queued").await;
    cluster.evacuate("a@h", &["c@h"]).await;
    let left = |name: &str| cluster.node(name).node.clients.counts().disconnected;
    assert_eq!((left("a@h"), left("b@h"), left("c@h")), (0, 0, 10));
    for number in 0..10 {
        let (mut client, known) =
            Client::connect(Version::V5, &format!("client-{number}"), cluster.address("b@h")).await;
        assert!(known);
        assert_eq!(client.message().await, "queued");
    }
}

#[tokio::test]
async fn a_killed_node_takes_its_sessions_along() {
    let mut cluster = Cluster::start(&NAMES, &[]).await;
    let (mut client, _) = Client::connect(Version::V5, "client", cluster.address("a@h")).await;
    client.subscribe("t").await;
    cluster.kill("a@h");
    assert!(matches!(client.next().await, Event::Over(_)));
    let (_, known) = Client::connect(Version::V5, "client", cluster.address("b@h")).await;
    assert!(!known, "sessions in memory die with their node");
}
