//! Brokers behind one address, as a Service has them.

use crate::{Clients, Plan};
use emqx_sim::http::{self, Call};
use emqx_sim::local::{Network, Running, Spec, own_address};
use emqx_sim::rpc::Phase;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

pub(super) const NODES: [&str; 3] = ["a@h", "b@h", "c@h"];
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Three brokers behind one address.
pub(super) struct Cluster {
    network: Arc<Network>,
    folder: TempDir,
    settings: &'static [(&'static str, &'static str)],
    addresses: BTreeMap<&'static str, SocketAddr>,
    pub(super) running: BTreeMap<&'static str, Running>,
    address: SocketAddr,
    _balancing: JoinSet<()>,
}

impl Cluster {
    pub(super) async fn start(settings: &'static [(&'static str, &'static str)]) -> Cluster {
        let addresses: BTreeMap<_, _> = NODES.into_iter().map(|name| (name, own_address())).collect();
        let listener = TcpListener::bind(own_address()).await.unwrap();
        let mut balancing = JoinSet::new();
        let address = listener.local_addr().unwrap();
        balancing.spawn(balance(listener, addresses.values().copied().collect()));
        let network = Network::new(&NODES);
        let folder = tempfile::tempdir().unwrap();
        let mut cluster =
            Cluster { network, folder, settings, addresses, running: BTreeMap::new(), address, _balancing: balancing };
        for name in NODES {
            cluster.boot(name);
        }
        for name in NODES {
            cluster.complete(name).await;
        }
        cluster
    }

    /// Starts a node on the volume that it had.
    pub(super) fn boot(&mut self, name: &'static str) {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(self.folder.path().join("keys"), "op:secret\n").unwrap();
        let mut spec = Spec::new("5.10.4", name, folder)
            .unwrap()
            .env("EMQX_CLUSTER__DISCOVERY_STRATEGY", "static")
            .env("EMQX_LICENSE__KEY", "evaluation")
            .env("EMQX_API_KEY__BOOTSTRAP_FILE", self.folder.path().join("keys").to_str().unwrap())
            .listening(self.addresses[name]);
        for (name, value) in self.settings {
            spec = spec.env(name, value);
        }
        spec.timings.tick = Duration::from_millis(100);
        spec.timings.discovery = Duration::from_millis(100);
        self.running.insert(name, self.network.start(spec).unwrap());
    }

    /// Waits until a node sees all the others and listens.
    pub(super) async fn complete(&self, name: &str) {
        let node = &self.running[name].node;
        while node.phase() != Phase::Running || node.running().await.len() < NODES.len() {
            sleep(Duration::from_millis(20)).await;
        }
        while TcpStream::connect(self.addresses[name]).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn clients(&self, sessions: usize) -> Clients {
        let (host, port) = (self.address.ip().to_string(), self.address.port());
        let plan = Plan { sessions, publishers: 4, rate: 200.0, ..Plan::new(&host, port, "load") };
        Clients::start(plan, PATIENCE).await.unwrap()
    }

    /// Empties a node, as an operator does before it restarts it.
    pub(super) async fn evacuate(&self, name: &str) {
        let body = br#"{"wait_health_check": 0, "wait_takeover": 0}"#.to_vec();
        self.call("POST", &format!("/api/v5/load_rebalance/{name}/evacuation/start"), body).await;
        let node = &self.running[name].node;
        while node.clients.counts().sessions() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn call(&self, method: &str, path: &str, body: Vec<u8>) {
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            content_type: Some("application/json".to_owned()),
            authorization: Some("Basic b3A6c2VjcmV0".to_owned()),
            body,
            ..Call::default()
        };
        let reply = http::answer(&self.running["a@h"].node, &call).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    }
}

/// What a Service does: every connection goes to the next backend that takes it.
async fn balance(listener: TcpListener, backends: Vec<SocketAddr>) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let (backends, next) = (backends.clone(), next.clone());
        connections.spawn(async move {
            for _ in 0..backends.len() {
                let backend = backends[next.fetch_add(1, Ordering::Relaxed) % backends.len()];
                if let Ok(mut far) = TcpStream::connect(backend).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    return;
                }
            }
        });
    }
}
