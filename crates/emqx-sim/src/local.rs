//! Nodes of one process: calls are function calls. For tests; pods talk over TCP.

use crate::clients::{Clients, Synthetic};
use crate::config::{BootError, Layers, Profile};
use crate::mqtt::Broker;
use crate::mqtt_clients::MqttClients;
use crate::mqtt_listeners;
use crate::node::{Exit, Node, Parts};
use crate::rpc::{CallError, Peers, Phase, Request, Response};
use crate::timings::Timings;
use crate::volume::Volume;
use futures::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use tokio::task::{AbortHandle, JoinHandle};

/// A network with one cookie; nodes discover each other by the list given to [`Network::new`].
#[derive(Default)]
pub struct Network {
    nodes: Mutex<BTreeMap<String, Weak<Node>>>,
    seeds: Mutex<Vec<String>>,
}

/// The network as one node sees it.
struct Link {
    network: Arc<Network>,
    name: String,
}

impl Peers for Link {
    fn call<'a>(&'a self, to: &'a str, request: Request) -> BoxFuture<'a, Result<Response, CallError>> {
        async move {
            let node = self.network.find(to).filter(|node| node.phase() != Phase::Stopped).ok_or(CallError::Down)?;
            Ok(node.answer(&self.name, request).await)
        }
        .boxed()
    }

    fn discover(&self) -> BoxFuture<'_, Vec<String>> {
        let seeds = self.network.seeds.lock().expect("no code panics while it holds the seeds").clone();
        async { seeds }.boxed()
    }
}

/// An unused loopback address, with the port of MQTT. A free port of 127.0.0.1 can be taken in a
/// moment: the next test's, or the near end of a connection.
pub fn own_address() -> SocketAddr {
    static USED: AtomicU8 = AtomicU8::new(0);
    let process = std::process::id() % (254 * 254);
    let part = |number: u32| u8::try_from(number % 254 + 1).unwrap_or(1);
    let host = USED.fetch_add(1, Ordering::Relaxed) % 254 + 1;
    SocketAddr::from((Ipv4Addr::new(127, part(process / 254), part(process), host), 1883))
}

/// What a test says about a node; the rest is as shipped.
pub struct Spec {
    pub profile: Profile,
    pub name: String,
    pub folder: PathBuf,
    /// Environment variables as a pod sets them.
    pub environment: Vec<(String, String)>,
    pub timings: Timings,
    /// `base.hocon` and `emqx.conf`.
    pub files: Files,
    /// Whether the MQTT listeners of the configuration are opened.
    pub mqtt: bool,
}

/// The configuration files that a pod mounts.
#[derive(Debug, Clone, Default)]
pub struct Files {
    pub base: String,
    pub main: String,
}

impl Spec {
    pub fn new(version: &str, name: &str, folder: impl Into<PathBuf>) -> Result<Self, String> {
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![
            set("EMQX_NODE__NAME", name),
            set("EMQX_NODE__COOKIE", "testing"),
            set("EMQX_NODE__DATA_DIR", "data"),
            set("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", "18083"),
        ];
        let (name, folder) = (name.to_owned(), folder.into());
        Ok(Self {
            profile: version.parse()?,
            name,
            folder,
            environment,
            timings: Timings::instant_boot(),
            files: Files::default(),
            mqtt: false,
        })
    }

    /// With one MQTT listener, at this address.
    #[must_use]
    pub fn listening(mut self, address: SocketAddr) -> Self {
        self.mqtt = true;
        let off = |spec: Self, kind: &str| spec.env(&format!("EMQX_LISTENERS__{kind}__DEFAULT__ENABLE"), "false");
        let spec = self.env("EMQX_LISTENERS__TCP__DEFAULT__BIND", &address.to_string());
        ["SSL", "WS", "WSS"].into_iter().fold(spec, off)
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running node; dropping it is a kill without warning.
pub struct Running {
    pub node: Arc<Node>,
    pub clients: Arc<Synthetic>,
    task: AbortHandle,
    listening: Option<(Broker, AbortHandle)>,
    /// Resolves when the node ends by itself.
    pub exit: JoinHandle<Exit>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // No request and no answer is sent before the remaining tasks end, which takes a moment.
        if let Some((broker, _)) = &self.listening {
            broker.kill();
        }
        self.node.kill();
        if let Some((_, listening)) = &self.listening {
            listening.abort();
        }
        self.task.abort();
    }
}

impl Network {
    pub fn new(seeds: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            nodes: Mutex::default(),
            seeds: Mutex::new(seeds.iter().map(|seed| (*seed).to_owned()).collect()),
        })
    }

    /// From now on discovery finds this node, too.
    pub fn add_seed(&self, name: &str) {
        let mut seeds = self.seeds.lock().expect("no code panics while it holds the seeds");
        if !seeds.iter().any(|seed| seed == name) {
            seeds.push(name.to_owned());
        }
    }

    fn find(&self, name: &str) -> Option<Arc<Node>> {
        self.nodes.lock().expect("no code panics while it holds the nodes").get(name)?.upgrade()
    }

    pub fn start(self: &Arc<Self>, spec: Spec) -> Result<Running, BootError> {
        let Spec { profile, name, folder, environment, timings, files, mqtt } = spec;
        let cluster = std::fs::read_to_string(folder.join("configs/cluster.hocon")).unwrap_or_default();
        let listening = mqtt.then(|| Arc::new(MqttClients::new(&name)));
        let synthetic = listening.as_ref().map_or_else(Arc::default, |real| real.synthetic.clone());
        let clients: Arc<dyn Clients> = match &listening {
            Some(real) => real.clone(),
            None => synthetic.clone(),
        };
        let node = Node::new(Parts {
            profile,
            layers: Layers { base: files.base, cluster, main: files.main, environment },
            etc: folder.clone(),
            volume: Volume::new(folder),
            clients,
            peers: Arc::new(Link { network: self.clone(), name: name.clone() }),
            timings,
        })?;
        let mut nodes = self.nodes.lock().expect("no code panics while it holds the nodes");
        nodes.insert(name, Arc::downgrade(&node));
        let exit = tokio::spawn(node.clone().run());
        let listening = listening.map(|real| {
            real.belong_to(&node);
            let serving = tokio::spawn(mqtt_listeners::serve(node.clone(), real.broker.clone()));
            (real.broker.clone(), serving.abort_handle())
        });
        Ok(Running { node, clients: synthetic, task: exit.abort_handle(), listening, exit })
    }
}
