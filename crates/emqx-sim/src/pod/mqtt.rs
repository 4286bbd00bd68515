//! The MQTT side of a node in a pod: listeners that are open while the node runs, sessions that are counted, evicted
//! and moved, and clients that only exist as numbers beside the real ones.

use crate::clients::{Clients, Counts, Synthetic};
use crate::config::{Listener, TlsFiles};
use crate::http;
use crate::mqtt::{Broker, Limits, PeerRequest, PeerResponse, Peers};
use crate::node::Node;
use crate::rpc::Phase;
use futures::future::{BoxFuture, FutureExt};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// After a node could not be reached it gets less time for so long, so that publishers do not wait for it each time.
const DOUBTED: Duration = Duration::from_secs(2);
const LESS_TIME: Duration = Duration::from_millis(300);

/// The clients of a node: real ones, and numbers set by a test.
pub(crate) struct MqttClients {
    broker: Broker,
    links: Arc<Links>,
    pub(crate) synthetic: Arc<Synthetic>,
    moving: Arc<AtomicBool>,
}

/// The way to other nodes; it leads through the node that is made after its clients.
#[derive(Default)]
struct Links {
    node: OnceLock<Weak<Node>>,
    failed: Mutex<BTreeMap<String, Instant>>,
}

impl MqttClients {
    pub(crate) fn new(node: &str) -> Self {
        let links = Arc::new(Links::default());
        Self {
            broker: Broker::new(node, links.clone(), Limits::default()),
            links,
            synthetic: Arc::default(),
            moving: Arc::default(),
        }
    }

    pub(crate) fn belong_to(&self, node: &Arc<Node>) {
        self.links.node.get_or_init(|| Arc::downgrade(node));
    }
}

impl Links {
    fn node(&self) -> Option<Arc<Node>> {
        self.node.get()?.upgrade()
    }

    fn failed(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Instant>> {
        self.failed.lock().expect("no code panics while it holds the list of nodes")
    }
}

impl Peers for Links {
    fn nodes(&self) -> Vec<String> {
        let members = self.node().map(|node| node.other_members()).unwrap_or_default();
        members.into_iter().map(|(name, _)| name).collect()
    }

    fn call(&self, node: &str, request: PeerRequest) -> BoxFuture<'_, Result<PeerResponse, String>> {
        let name = node.to_owned();
        async move {
            let node = self.node().ok_or("the node has ended")?;
            let doubted = self.failed().get(&name).is_some_and(|at| at.elapsed() < DOUBTED);
            let call = node.pass_on(&name, request);
            let answer = if doubted {
                tokio::time::timeout(LESS_TIME, call).await.unwrap_or_else(|_| Err(format!("{name} is silent")))
            } else {
                call.await
            };
            match &answer {
                Ok(_) => self.failed().remove(&name),
                Err(_) => self.failed().insert(name, Instant::now()),
            };
            answer
        }
        .boxed()
    }
}

impl Clients for MqttClients {
    fn counts(&self) -> Counts {
        let real = self.broker.counts();
        let mut counts = self.synthetic.counts();
        counts.connected += real.connected as u64;
        counts.disconnected += (real.sessions - real.connected) as u64;
        counts
    }

    fn evict_connections(&self, limit: u64) {
        let evicted = self.broker.evict_connections(usize::try_from(limit).unwrap_or(usize::MAX));
        self.synthetic.evict_connections(limit - evicted as u64);
    }

    /// Sessions of real clients are moved by the brokers themselves; the number is that of the others.
    fn evict_sessions(&self, limit: u64) -> u64 {
        if !self.moving.swap(true, Ordering::AcqRel) {
            let (broker, links, moving) = (self.broker.clone(), self.links.clone(), self.moving.clone());
            tokio::spawn(async move {
                if let Some(node) = links.node() {
                    let mut targets = node.running().await;
                    targets.retain(|name| *name != node.name);
                    broker.evict_sessions(usize::try_from(limit).unwrap_or(usize::MAX), &targets).await;
                }
                moving.store(false, Ordering::Release);
            });
        }
        self.synthetic.evict_sessions(limit)
    }

    fn receive_sessions(&self, count: u64) {
        self.synthetic.receive_sessions(count);
    }

    fn refuse(&self, refuse: bool) {
        self.broker.refuse_connections(refuse);
    }

    fn handle(&self, request: PeerRequest) -> BoxFuture<'_, PeerResponse> {
        self.broker.handle(request).boxed()
    }
}

/// Listens while the node runs; clients are told when it stops or joins.
pub(crate) async fn serve(node: Arc<Node>, clients: Arc<MqttClients>) {
    let expiry = clients.broker.clone();
    let expire = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            expiry.expire();
        }
    };
    let listen = async {
        loop {
            node.reaches(Phase::Running).await;
            let mut open = node.port_open();
            tokio::select! {
                () = listen(&node, &clients) => {}
                _ = open.wait_for(|open| !*open) => {}
            }
            clients.broker.shut_down();
            // The goodbyes go out before the node is back.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(expire, listen);
}

async fn listen(node: &Arc<Node>, clients: &Arc<MqttClients>) {
    clients.broker.open();
    let mut tasks = JoinSet::new();
    for listener in node.config().listeners().into_iter().filter(|listener| listener.enable) {
        match acceptor(node, &listener) {
            Ok(Some(acceptor)) => {
                tasks.spawn(accept(clients.broker.clone(), listener, acceptor));
            }
            // WebSocket and QUIC are left out.
            Ok(None) => {}
            Err(error) => tracing::error!(listener = listener.id(), error, "the listener cannot start"),
        }
    }
    while tasks.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

enum Acceptor {
    Plain,
    Tls(TlsAcceptor),
}

fn acceptor(node: &Arc<Node>, listener: &Listener) -> Result<Option<Acceptor>, String> {
    match listener.kind.as_str() {
        "tcp" => Ok(Some(Acceptor::Plain)),
        "ssl" => {
            let option = |name: &str| listener.config.get("ssl_options")?.get(name)?.as_str().map(str::to_owned);
            let (Some(certificate), Some(key)) = (option("certfile"), option("keyfile")) else { return Ok(None) };
            // The shipped certificates are not in our image.
            if certificate.starts_with("${EMQX_ETC_DIR}/certs/") {
                return Ok(None);
            }
            let acceptor = http::acceptor(&node.etc, &TlsFiles { certificate, key, authority: None });
            acceptor.map(|acceptor| Some(Acceptor::Tls(acceptor))).map_err(|error| error.to_string())
        }
        _ => Ok(None),
    }
}

async fn accept(broker: Broker, listener: Listener, acceptor: Acceptor) {
    let socket = match TcpListener::bind(listener.bind.socket()).await {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(listener = listener.id(), %error, "failed to listen"),
    };
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = socket.accept().await else {
            // Out of file descriptors: a moment later there may be some.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        // Small packets, and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let broker = broker.clone();
        match &acceptor {
            Acceptor::Plain => {
                connections.spawn(async move { broker.serve(stream).await });
            }
            Acceptor::Tls(tls) => {
                let tls = tls.clone();
                connections.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        broker.serve(stream).await;
                    }
                });
            }
        }
    }
}
