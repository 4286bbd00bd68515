//! One process that answers for every fake pod: the fleet.
//!
//! Fake pods have addresses that are all local to the network of the cluster, so one socket on all addresses hears every
//! call, and the address that was called says whose answer is wanted. Each pod gets a node of the stand-in, made from
//! what the real container would see: its variables, Secrets and files, and its volume, which outlives the pod. Nodes
//! of one namespace and cookie form a cluster; calls between them are function calls.

mod container;
mod pods;
mod readiness;

use crate::cluster;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use container::Container;
use emqx_sim::clients::{Clients as _, Counts};
use emqx_sim::faults::Faults;
use emqx_sim::http::{self, Call};
use emqx_sim::local::{Network, Running, Spec};
use emqx_sim::timings::Timings;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The port of the dashboard that the fleet answers on.
const PORT: u16 = 18083;

/// Real phases, shorter: a test waits for hundreds of boots.
fn timings() -> Timings {
    Timings {
        boot: Duration::from_millis(200),
        routes_missing: Duration::from_millis(50),
        singleton: Duration::from_millis(200),
        join: Duration::from_millis(200),
        discovery: Duration::from_millis(500),
        ..Timings::default()
    }
}

/// The nodes of all fake pods.
#[derive(Clone)]
pub struct Fleet(Arc<State>);

struct State {
    client: Client,
    /// Volumes of nodes; removed with the fleet.
    folder: tempfile::TempDir,
    nodes: Mutex<HashMap<IpAddr, Member>>,
    networks: Mutex<HashMap<(String, String), Arc<Network>>>,
    /// Uids of pods that have been given a node, or are about to: a pod is seen more often than it boots.
    seen: Mutex<HashSet<String>>,
}

struct Member {
    pod: String,
    uid: String,
    running: Running,
}

impl Fleet {
    /// Starts to answer, on a thread of its own; ends with the process.
    pub fn start() -> Fleet {
        let (ready, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.expect("threads can be started").block_on(async move {
                let client = cluster::admin().await.expect("the cluster can be reached");
                let fleet = Fleet::listen(client).await.expect("the port of the dashboards is free");
                ready.send(fleet).expect("somebody waits for the fleet");
                std::future::pending::<()>().await;
            });
        });
        started.recv().expect("the fleet starts")
    }

    /// Answers on the port of the dashboards, on all addresses, until the process ends.
    pub async fn listen(client: Client) -> anyhow::Result<Fleet> {
        let state = State {
            client,
            folder: tempfile::tempdir()?,
            nodes: Mutex::default(),
            networks: Mutex::default(),
            seen: Mutex::default(),
        };
        let fleet = Fleet(Arc::new(state));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT))).await?;
        tokio::spawn(fleet.clone().accept(listener));
        tokio::spawn(pods::follow(fleet.clone()));
        Ok(fleet)
    }

    /// Makes the API of a pod misbehave.
    pub fn set_faults(&self, namespace: &str, pod: &str, faults: Faults) {
        self.with(namespace, pod, |running| running.node.set_faults(faults));
    }

    /// Gives the node of a pod so many clients.
    pub fn set_clients(&self, namespace: &str, pod: &str, counts: Counts) {
        self.with(namespace, pod, |running| running.clients.set(counts));
    }

    /// Sessions on all nodes of a namespace that run.
    pub fn sessions(&self, namespace: &str) -> u64 {
        let here = format!("{namespace}/");
        let nodes = self.nodes();
        let members = nodes.values().filter(|member| member.pod.starts_with(&here));
        members.map(|member| member.running.clients.counts().sessions()).sum()
    }

    /// Asks the API of a pod of the cluster `iot` for something, as a person with the operator's key.
    pub async fn post(&self, client: &Client, namespace: &str, pod: &str, path: &str, body: serde_json::Value) {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        let secret = secrets.get("iot-bootstrap-api-key").await.expect("the cluster has keys");
        let keys = secret.data.unwrap_or_default().remove("bootstrap_api_key").expect("the Secret has the keys");
        let keys = String::from_utf8(keys.0).expect("keys are text");
        let mut words = keys.lines().next().expect("there is a key").splitn(3, ':');
        let pair = [words.next().unwrap_or_default(), words.next().unwrap_or_default()].join(":");
        let call = Call {
            method: "POST".to_owned(),
            path: path.to_owned(),
            content_type: Some("application/json".to_owned()),
            authorization: Some(format!("Basic {}", BASE64_STANDARD.encode(pair))),
            body: body.to_string().into_bytes(),
            ..Call::default()
        };
        let node = self.with(namespace, pod, |running| running.node.clone());
        let reply = http::answer(&node, &call).await.expect("the node answers");
        assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    }

    fn with<T>(&self, namespace: &str, pod: &str, what: impl FnOnce(&Running) -> T) -> T {
        let pod = format!("{namespace}/{pod}");
        let nodes = self.nodes();
        let member = nodes.values().find(|member| member.pod == pod);
        what(&member.unwrap_or_else(|| panic!("pod {pod} has no node")).running)
    }

    /// Calls of the API of all nodes that run.
    pub fn requests(&self) -> u64 {
        self.nodes().values().map(|member| member.running.node.requests.load(Ordering::Relaxed)).sum()
    }

    async fn accept(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let fleet = self.clone();
            tokio::spawn(async move { fleet.answer(stream).await });
        }
    }

    /// A node whose port is closed drops the connection: as near as one socket comes to a refusal.
    async fn answer(&self, stream: TcpStream) {
        let Ok(address) = stream.local_addr() else { return };
        let node = self.nodes().get(&address.ip()).map(|member| member.running.node.clone());
        let Some(node) = node else { return };
        let mut open = node.port_open();
        if !*open.borrow() {
            return;
        }
        tokio::select! {
            () = http::speak(node, stream) => {}
            // Connections of clients end with the node, also those that are kept alive.
            _ = open.wait_for(|open| !*open) => {}
        }
    }

    fn boot(&self, pod: &str, uid: &str, address: IpAddr, container: Container) -> anyhow::Result<()> {
        let network = self.network(&container);
        if container.is_core {
            network.add_seed(&container.node);
        }
        let folder = self.0.folder.path().join(&container.volume);
        std::fs::create_dir_all(folder.join("data"))?;
        let environment = container.with_keys_in(&folder)?;
        let spec = Spec {
            profile: container.profile.parse().map_err(anyhow::Error::msg)?,
            name: container.node,
            folder: folder.join("data"),
            environment,
            timings: timings(),
            files: container.files,
            mqtt: false,
        };
        let running = network.start(spec)?;
        // A pod that was deleted meanwhile has no node.
        let seen = self.seen();
        if seen.contains(uid) {
            let taken = self.nodes().insert(address, Member { pod: pod.to_owned(), uid: uid.to_owned(), running });
            if let Some(other) = taken.filter(|other| other.uid != uid && seen.contains(&other.uid)) {
                eprintln!("fleet: pods {} and {pod} both have the address {address}: the first one is lost", other.pod);
            }
        }
        Ok(())
    }

    fn network(&self, container: &Container) -> Arc<Network> {
        let key = (container.namespace.clone(), container.cookie.clone());
        let mut networks = self.0.networks.lock().expect("no code panics while it holds the networks");
        networks.entry(key).or_insert_with(|| Network::new(&[])).clone()
    }

    /// Whether the pod is seen for the first time.
    fn is_new(&self, uid: &str) -> bool {
        self.seen().insert(uid.to_owned())
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.seen.lock().expect("no code panics while it holds the list of pods")
    }

    /// Whether the node of the pod has been started and has not ended by itself.
    fn runs(&self, uid: &str) -> bool {
        let nodes = self.nodes();
        let Some(member) = nodes.values().find(|member| member.uid == uid) else { return false };
        let ended = member.running.exit.is_finished();
        if ended {
            eprintln!("fleet: the node of pod {} ended by itself; it is started again", member.pod);
        }
        !ended
    }

    /// What a probe of the kubelet would find.
    async fn passes_probe(&self, uid: &str, path: &str) -> bool {
        let node = self.nodes().values().find(|member| member.uid == uid).map(|member| member.running.node.clone());
        match node {
            Some(node) => http::probe(&node, path).await,
            None => false,
        }
    }

    /// The pod is gone, and its node without a goodbye.
    fn lose(&self, uid: &str) {
        self.seen().remove(uid);
        self.nodes().retain(|_, member| member.uid != uid);
    }

    /// Pods that are not among these are gone.
    fn keep(&self, uids: &HashSet<String>) {
        let gone: Vec<_> = self.seen().iter().filter(|uid| !uids.contains(*uid)).cloned().collect();
        gone.iter().for_each(|uid| self.lose(uid));
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<IpAddr, Member>> {
        self.0.nodes.lock().expect("no code panics while it holds the nodes")
    }
}
